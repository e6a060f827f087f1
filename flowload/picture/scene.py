"""What a picture shows: a box for every stage and consumer, a link for every queue; plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowload.cli.view.details import details_of
from flowload.cli.view.ledger import under_way
from flowload.cli.view.table import ahead
from flowload.cli.view.verdict import duration_of, told
from flowload.graph import Graph
from flowload.graph.describe import Row
from flowload.observe.figures import count, counted, duration, rate, share
from flowload.observe.stats import EdgeStats, RunStats
from flowload.observe.verdict import Verdict, judge

__all__ = ["Box", "Link", "Scene", "scene_of"]


@dataclass(frozen=True)
class Box:
    """The box of a stage, or of whoever takes batches."""

    name: str
    rate: str = ""  #: samples/s given out
    figures: str = ""  #: the line beneath the bar
    lost: str = ""  #: samples dropped
    busy: float = 0.0  #: shares of its workers' time
    blocked: float = 0.0
    starved: float = 0.0
    mark: str = ""  #: "limit", "next", or nothing
    consumer: bool = False
    details: tuple[tuple[str, str], ...] = ()  #: everything else, as names and values


@dataclass(frozen=True)
class Link:
    """Where blocks go; without a capacity there is no queue: both ends share a hop."""

    source: str
    target: str
    port: str = ""
    depth: int = 0
    capacity: int = 0
    text: str = ""


@dataclass(frozen=True)
class Scene:
    """Everything that a picture of a run shows."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    title: str
    verdict: tuple[str, ...]
    numbers: RunStats | None = field(default=None, compare=False)  #: what it was made of

    def box(self, name: str) -> Box:
        """A box by its name."""
        return next(box for box in self.boxes if box.name == name)


def scene_of(
    graph: Graph,
    now: RunStats,
    before: RunStats | None = None,
    title: str = "",
    *,
    verdict: Verdict | None = None,
) -> Scene:
    """The graph with its numbers: totals as `now` says, shares of time and rates since `before`.

    Without a verdict, that on the time between the two is shown.
    """
    rows = graph.describe()
    verdict = verdict or judge(now, before)
    boxes = [stage_box(row, now, before, verdict) for row in rows]
    ends = [outlet["end"] for row in rows for outlet in row["outputs"] if outlet["end"] is not None]
    boxes += [consumer_box(end, now, before, verdict) for end in ends]
    came = f"{count(now.delivered)} samples in {duration(now.elapsed)}{ahead(now, before)}; {books(now)}"
    return Scene(
        tuple(boxes), tuple(links_of(rows, now, before)), f"{title}: {came}" if title else came,
        tuple(told(verdict)), now,
    )  # fmt: skip


def books(now: RunStats) -> str:
    """Whether in = out + dropped + held, in few words."""
    lost = sum(sum(stage.dropped.values()) for stage in now.stages.values())
    open_ = [stage.name for stage in now.stages.values() if under_way(stage)]
    told = "wrong" if open_ and now.finished else "balanced"
    where = counted(len(open_), "stage", "stages")
    moving = f", some under way in {where}" if open_ and not now.finished else ""
    return f"{count(lost)} dropped; ledger {told}{moving}"


def passed(now: RunStats, before: RunStats | None) -> float:
    """Seconds between two snapshots."""
    return max(1e-9, now.elapsed - (before.elapsed if before else 0.0))


def per_second(now: float, before: float | None, seconds: float) -> float:
    """How fast a total grew."""
    return (now - (before or 0)) / seconds


def stage_box(row: Row, now: RunStats, before: RunStats | None, verdict: Verdict | None) -> Box:
    """A stage."""
    stage = now.stages[row["name"]]
    past = before.stages[row["name"]] if before else None
    seconds = passed(now, before)
    busy = per_second(stage.busy, past and past.busy, seconds) / max(1, stage.workers)
    busy = min(1.0, busy)
    blocked = min(1.0 - busy, per_second(stage.blocked, past and past.blocked, seconds))
    starved = min(1.0 - busy - blocked, per_second(stage.starved, past and past.starved, seconds))
    lost = sum(stage.dropped.values())
    workers = f"{stage.workers} worker{'s' if stage.workers > 1 else ''}"
    return Box(
        name=stage.name,
        rate=rate(per_second(stage.out, past and past.out, seconds)),
        figures=f"{share(busy)} of {workers}, p95 {duration_of(stage.p95)}",
        lost=f"{count(lost)} lost" if lost else "",
        busy=busy,
        blocked=max(0.0, blocked),
        starved=max(0.0, starved),
        mark=mark_of(stage.name, verdict),
        details=tuple(details_of(row, stage, now)),
    )


def mark_of(name: str, verdict: Verdict | None) -> str:
    """Whether it is what limits now, or next."""
    if verdict is None:
        return ""
    return "limit" if verdict.limit.who == name else "next" if verdict.then.who == name else ""


def consumer_box(end: str, now: RunStats, before: RunStats | None, verdict: Verdict | None) -> Box:
    """Whoever takes the batches of an output."""
    seconds = passed(now, before)
    waited = per_second(now.consumer_wait, before.consumer_wait if before else None, seconds) / now.outputs
    took = now.blocks_delivered > (before.blocks_delivered if before else 0)
    busy = min(1.0, max(0.0, 1.0 - waited)) if took else 0.0  # a wait is counted when it is over
    edge = next((edge for edge in now.edges if edge.target == f"output {end!r}"), None)
    past = next((e for e in before.edges if e.target == f"output {end!r}"), None) if before else None
    taken = per_second(edge.samples, past and past.samples, seconds) if edge else 0.0
    limits = verdict is not None and verdict.limit.kind == "consumer"
    then = verdict is not None and verdict.then.kind == "consumer"
    return Box(
        name=f"output {end!r}",
        rate=rate(taken),
        figures=f"waits for batches {share(1.0 - busy)} of the time",
        busy=busy,
        starved=1.0 - busy,
        mark="limit" if limits else "next" if then else "",
        consumer=True,
        details=(("batches", count(now.blocks_delivered)), ("waited", duration(now.consumer_wait))),
    )


def links_of(rows: list[Row], now: RunStats, before: RunStats | None) -> Iterator[Link]:
    """An arrow for every port that somebody reads."""
    seconds = passed(now, before)
    for row in rows:
        for outlet in row["outputs"]:
            target = outlet["reader"] or (f"output {outlet['end']!r}" if outlet["end"] is not None else None)
            if target is None:
                continue
            port = "" if outlet["port"] == "out" else outlet["port"]
            source = f"{row['name']}.{port}" if port else row["name"]
            edge = find(now, source, target)
            if edge is None:
                yield Link(row["name"], target, port)
                continue
            past = find(before, source, target) if before else None
            flow = rate(per_second(edge.samples, past and past.samples, seconds))
            text = f"{edge.blocks}/{edge.capacity}  {flow}"
            yield Link(row["name"], target, port, edge.blocks, edge.capacity, text)


def find(stats: RunStats, source: str, target: str) -> EdgeStats | None:
    """The queue between two; operators of one stage are numbered."""
    for edge in stats.edges:
        writer, reader = unnumbered(edge.source), unnumbered(edge.target)
        if (edge.source == source or writer == source) and (edge.target == target or reader == target):
            return edge
    return None


def unnumbered(name: str) -> str:
    """`batch` for `batch.1`, an operator of it."""
    stem, dot, number = name.rpartition(".")
    return stem if dot and number.isdecimal() else name
