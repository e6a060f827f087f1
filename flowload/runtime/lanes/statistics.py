"""What the lanes of a run did, told as of one graph: sums over lanes, and the mean of what each waited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flowload.observe.stats import EdgeStats, TaskStats
from flowload.runtime.tasks.segment import Segment

__all__ = ["edges_as_one", "gauge_as_one", "tasks_as_one"]

COUNTS = frozenset({"pool_chunks", "missing_chunks", "files_indexed", "sources"})  #: gauges that add up


def tasks_as_one(segments: Sequence[Segment], tasks: Sequence[TaskStats]) -> tuple[TaskStats, ...]:
    """One for all lanes that do the same; `tasks` go with `segments`."""
    groups: dict[object, list[tuple[Segment, TaskStats]]] = {}
    for segment, task in zip(segments, tasks, strict=True):
        key = segment.priority if segment.lane is None else segment.name
        groups.setdefault(key, []).append((segment, task))
    return tuple(task_as_one(group) for group in groups.values())


def task_as_one(group: Sequence[tuple[Segment, TaskStats]]) -> TaskStats:
    """What several lanes did; what they waited is their mean: nobody waits for longer than the run takes."""
    (segment, task), *others = group
    if not others:
        return task
    tasks = [each for _, each in group]
    return task._replace(
        work=added(each.work for each in tasks),
        workers=min(sum(each.workers for each in tasks), segment.limit.calls)
        if segment.is_map
        else len(tasks),
        running=sum(each.running for each in tasks),
        cpu=sum(each.cpu for each in tasks),
        waited=sum(each.waited for each in tasks),
        starved=sum(each.starved for each in tasks) / len(tasks),
        blocked=sum(each.blocked for each in tasks) / len(tasks),
        lock=sum(each.lock for each in tasks),
        lock_held=sum(each.lock_held for each in tasks),
        cpu_of=added(each.cpu_of for each in tasks),
        lock_of=added(each.lock_of for each in tasks),
        lock_held_of=added(each.lock_held_of for each in tasks),
    )


def added(books: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sums by name; not with a Counter, which is for whole numbers."""
    sums: dict[str, float] = {}
    for book in books:
        for name, value in book.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums


def gauge_as_one(name: str, values: Sequence[float]) -> float:
    """What several operators of a stage measured: of counts their sum, else the mean."""
    return sum(values) if name in COUNTS or len(values) == 1 else sum(values) / len(values)


def edges_as_one(edges: Sequence[EdgeStats]) -> tuple[EdgeStats, ...]:
    """One for all queues between the same stages."""
    groups: dict[tuple[str, str], list[EdgeStats]] = {}
    for edge in edges:
        groups.setdefault((edge.source, edge.target), []).append(edge)
    return tuple(edge_as_one(group) for group in groups.values())


def edge_as_one(edges: Sequence[EdgeStats]) -> EdgeStats:
    """What lies in all of them, and went through."""
    sums = {name: sum(getattr(edge, name) for edge in edges) for name in EdgeStats._fields[2:]}
    return edges[0]._replace(**sums)
