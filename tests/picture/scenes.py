"""Runs that never were, moment by moment: for pictures, where a real run would be slow or vary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import sin
from typing import Any

from flowload.graph import Graph
from flowload.observe.stats import (
    ConsumerStats,
    EdgeStats,
    ExecutorStats,
    Outcome,
    RunStats,
    TaskStats,
    Warned,
)
from flowload.observe.verdict import judge
from flowload.picture.record.feed import window
from flowload.picture.scene.moment import Moment, moment_of
from flowload.picture.scene.rails import Rails, rails_of
from tests.observe.moments import moment as stats_of
from tests.observe.moments import stage

__all__ = ["ENDS", "Scene", "scene_of"]

#: How runs end, and what is said of it.
ENDS: dict[str, Outcome] = {
    "empty": Outcome("empty", "add"),
    "stalled": Outcome(
        "stalled", "add", 34.0, "In thread io-1, with block 118 of a.tar.", ("io-1: add", "idle")
    ),
    "failed": Outcome("failed", "cut", text="DataError: a.tar: game 118: <truncated> & 'bad'"),
    "over": Outcome("over"),
    "left": Outcome("left"),
}


@dataclass(frozen=True)
class Scene:
    """A graph, the statistics of a run, and what is shown of them; both are made when they are asked for.

    Many modules have one, and pytest imports them all.
    """

    rails: Rails
    count: int
    slow: str
    end: str
    stage_more: dict[str, Any]

    @cached_property
    def stats(self) -> tuple[RunStats, ...]:
        """Those of every moment."""
        made = [stats_at(self.rails, 0.5 * (k + 1), self.slow, self.stage_more) for k in range(self.count)]
        return (*made[:-1], ended(made[-1], self.end) if self.end else made[-1])

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """What is shown, one after the other."""
        before = [list(self.stats[:k]) for k in range(self.count)]
        return tuple(
            moment_of(self.rails, now, past, judge(now, window(now, past)))
            for now, past in zip(self.stats, before, strict=True)
        )


def scene_of(
    graph: Graph, count: int = 40, slow: str = "", end: str = "", title: str = "test", **stage_more: Any
) -> Scene:
    """A run of `count` moments, 0.5 s apart; the `slow` stage is busy all the time, and holds up the others.

    Without one the consumers are slow. `end`: see `ENDS`. `stage_more`: fields of every stage.
    """
    return Scene(rails_of(graph.describe(), title, 1 << 30), count, slow, end, stage_more)


def ended(now: RunStats, end: str) -> RunStats:
    """The last moment, as it ended."""
    if end == "empty":
        rows = {name: each._replace(out=0, held=each.in_, blocks_out=0) for name, each in now.stages.items()}
        now = now._replace(delivered=0, blocks_delivered=0, stages=rows, consumers={})
    return now._replace(outcome=ENDS[end], finished=end == "over")


def stats_at(rails: Rails, t: float, slow: str, more: dict[str, Any]) -> RunStats:
    """Statistics at a time, the same whenever they are asked for."""
    rows, tasks, edges = [], [], []
    limit = rails.row(slow) if slow else len(rails.rows)
    total = int(1000 * t * (1 + 0.1 * sin(t)))
    for k, row in enumerate(rails.rows):
        if row.output:
            continue
        share = 0.98 if k == limit else (0.2, 0.13, 0.26, 0.05, 0.3)[k % 5]
        workers = 1 + k % 3
        busy = share * t * workers
        rest = (1 - share) * t
        fields = {
            "in_": total + 7, "out": total, "dropped": {"bad": 5} if k % 2 else {}, "held": 2 if k % 2 else 7,
            "blocks_in": int(t * 10), "blocks_out": int(t * 10), "bytes_out": total * 64,
            "bytes_in": total * 32,
            "busy": busy, "cpu": busy * 0.97, "starved": rest if k > limit else 0.0,
            "blocked": rest if k < limit else 0.0, "workers": workers, "running": min(workers, k % 3),
            "calls": int(t * 10), "p50": 1e-3, "p95": 4e-3, "longest": 0.2,
            "executor": "io" if k == 0 else "kernel",
            "gauges": {"pool_fill": 0.5} if k == 1 else {}, **more,
        }  # fmt: skip
        rows.append(stage(row.name, **fields))
        work, where = {row.name: busy}, str(fields["executor"])
        tasks.append(TaskStats(row.name, work, workers, 1, where, busy * 0.97, 0.0, 0.0, 0.0))
    for number, link in enumerate(rails.links):
        if number % 5 == 4:
            continue  # a hop that both ends share
        room = 48 if number == 1 else 2
        blocks = room if link.below <= limit and slow else int(1 + sin(t + number)) if slow else room
        edges.append(EdgeStats(link.source, link.target, min(room, blocks), 0, room, 1.0, samples=total))
    takers = [row.output for row in rails.rows if row.output]
    waits = (0.6 if slow else 0.01) * t
    return stats_of(
        *rows, edges=tuple(edges), tasks=tuple(tasks), elapsed=t, delivered=total * len(takers),
        blocks_delivered=int(t * 20), consumer_wait=waits * len(takers), loop_time=0.01 * t,
        outputs=len(takers), executors=(ExecutorStats("kernel", 16, 1, 0, 9, t, 0.0),), cpus=16,
        cpu_time=1.2 * t,
        storage_bytes=int(t * 1e6),
        buffers_leased=3, buffers_made=5, buffer_bytes=1 << 24, memory_rss=500 << 20, finished=False,
        consumers={name: ConsumerStats(total, int(t * 10), waits) for name in takers},
        warnings=(Warned(3.0, "cut", "a.tar", "skipped 1: <bad>"),) if t > 3 else (), warned=int(t > 3),
    )  # fmt: skip


def lengthened(scene: Scene, title: str) -> Scene:
    """The same under another title."""
    return replace(scene, rails=replace(scene.rails, title=title))
