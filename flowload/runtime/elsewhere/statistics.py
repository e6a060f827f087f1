"""What workers and the run that takes their lanes have done, told as of one graph in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from flowload.graph.inspect.lane_cut import CutLanes
from flowload.graph.plan import Plan
from flowload.observe.stats import RunStats, StageStats, TaskStats
from flowload.runtime.lanes.statistics import edges_as_one

__all__ = ["as_one"]

ELSEWHERE = "other rank"  #: why references go no further in a worker: others have them
COUNTS = ("in_", "out", "held", "blocks_in", "blocks_out", "bytes_in", "bytes_out", "missing")
SUMS = ("rate", "rate_overall", "busy", "running", "workers", "calls", "cpu", "waited", "lock")
GIVEN = ("out", "blocks_out", "bytes_out", "rate", "rate_overall")
TIMES = ("busy", "calls", "cpu", "waited", "lock")
MEANS = ("starved", "blocked", "service", "p50")
MOSTS = ("p95", "longest")


def as_one(plan: Plan, cut: CutLanes, here: RunStats, workers: Sequence[RunStats]) -> RunStats:
    """All of a run.

    Args:
        plan: of the graph.
        cut: where lanes leave their workers.
        here: of what is behind.
        workers: of those that make the lanes.
    """
    if not workers:
        return here
    stages: dict[str, StageStats] = {}
    for name in (placed.name for placed in plan.nodes):
        theirs = [each.stages[name] for each in workers if name in each.stages]
        own = here.stages.get(name)
        if theirs:
            made = together(theirs, alike=name not in cut.own | cut.shards, dealt=name in cut.shards)
            stages[name] = made if own is None else joined(made, own)
        elif own is not None:
            stages[name] = own
    return here._replace(
        stages=stages,
        edges=(*edges_as_one([edge for each in workers for edge in each.edges]), *here.edges),
        tasks=(*tasks(workers), *here.tasks),
        warnings=tuple(sorted([*here.warnings, *(line for each in workers for line in each.warnings)])),
        **{
            name: getattr(here, name) + sum(getattr(each, name) for each in workers)
            for name in ("cpus", "cpu_time", "storage_bytes", "memory_rss", "warned", "unclosed")
        },
    )


def together(stages: Sequence[StageStats], *, alike: bool, dealt: bool) -> StageStats:
    """What workers did at one stage.

    Args:
        stages: of each.
        alike: each does it for all lanes, so that it is counted once.
        dealt: lanes begin there: each worker sees all that comes, and lets its own lanes' part pass.
    """
    first = stages[0]
    counts: dict[str, Any] = {name: sum(getattr(each, name) for each in stages) for name in COUNTS}
    dropped = Counter[str]()
    for each in stages:
        dropped.update(each.dropped)
    if alike:
        counts, dropped = {name: getattr(first, name) for name in COUNTS}, Counter(first.dropped)
    elif dealt:
        counts["in_"] = max(each.in_ for each in stages)
        del dropped[ELSEWHERE]
        counts["held"] = max(0, counts["in_"] - counts["out"] - dropped.total())  # or it is another's still
    times: dict[str, Any] = {name: sum(getattr(each, name) for each in stages) for name in SUMS}
    times |= {name: sum(getattr(each, name) for each in stages) / len(stages) for name in MEANS}
    times |= {name: max(getattr(each, name) for each in stages) for name in MOSTS}
    return first._replace(**counts, **times, dropped=dict(dropped))


def joined(made: StageStats, taken: StageStats) -> StageStats:
    """A stage of which a part is made elsewhere, and the rest here; what is on its way counts as held."""
    dropped = Counter(made.dropped)
    dropped.update(taken.dropped)
    given = {
        name: getattr(taken, name) for name in ("out", "blocks_out", "bytes_out", "rate", "rate_overall")
    }
    times = {
        name: getattr(made, name) + getattr(taken, name)
        for name in ("busy", "calls", "cpu", "waited", "lock")
    }
    return made._replace(
        **given,
        **times,
        dropped=dict(dropped),
        held=made.held + taken.held + max(0, made.out - taken.in_),
        workers=max(made.workers, taken.workers),
        running=made.running + taken.running,
        gauges={**made.gauges, **taken.gauges},
        leases=taken.leases,
    )


def tasks(workers: Iterable[RunStats]) -> tuple[TaskStats, ...]:
    """One for all workers that have it."""
    groups: dict[str, list[TaskStats]] = {}
    for each in workers:
        for task in each.tasks:
            groups.setdefault(task.name, []).append(task)
    return tuple(task_of(group) for group in groups.values())


def task_of(group: Sequence[TaskStats]) -> TaskStats:
    """What several workers did; what they waited is their mean."""
    work = Counter[str]()
    for each in group:
        work.update(each.work)
    sums = {
        name: sum(getattr(each, name) for each in group)
        for name in ("workers", "running", "cpu", "waited", "lock", "lock_held")
    }
    means = {name: sum(getattr(each, name) for each in group) / len(group) for name in ("starved", "blocked")}
    return group[0]._replace(work=dict(work), **sums, **means)
