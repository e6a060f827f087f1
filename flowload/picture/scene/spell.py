"""What a run did lately: the difference of two snapshots, long enough to say something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowload.observe.stats import ConsumerStats, RunStats, StageStats

__all__ = ["Spell", "Time"]

LATELY, LONGER = 2.0, 6.0  #: seconds that shares and rates are of; the longer where little came
FEW = 50  #: samples a second below which 2 s say little
DISK = 0.08  #: less of the workers' time than this is no waiting for the disk: calls begin and end


class Time(NamedTuple):
    """Where the time of a stage's workers went, as parts of 1; `hot` is a consumer's waiting."""

    work: float
    disk: float
    late: float  #: in a call without the interpreter's lock, or queued for a thread
    room: float
    hot: float
    input: float


class Spell:
    """The last few seconds of a run.

    Args:
        now: its statistics.
        past: earlier ones, oldest first.
    """

    def __init__(self, now: RunStats, past: Sequence[RunStats]) -> None:
        self.now = now
        self.before = latest(past, now.elapsed - LATELY)
        self.earlier = latest(past, now.elapsed - LONGER)
        self.seconds = self.since(self.before)

    def since(self, before: RunStats | None) -> float:
        """Seconds from then to now."""
        return max(1e-9, self.now.elapsed - (before.elapsed if before else 0.0))

    def rate_of(self, stage: str) -> float:
        """Samples/s that a stage gave."""
        out = self.now.stages[stage].out
        return self.paced([out - (b.stages[stage].out if b else 0) for b in (self.before, self.earlier)])

    def taken(self, output: str) -> float:
        """Samples/s that the consumer of an output took."""
        got = consumer(self.now, output).samples
        return self.paced(
            [got - (consumer(b, output).samples if b else 0) for b in (self.before, self.earlier)]
        )

    def paced(self, counts: Sequence[int]) -> float:
        """The rate of the last seconds, or of some more."""
        short, long = counts
        if 0 <= short < FEW * self.seconds:
            return max(0.0, long / self.since(self.earlier))
        return max(0.0, short / self.seconds)

    def waits(self, output: str) -> float:
        """Which part of the time the consumer of an output waited for a batch."""
        here = consumer(self.now, output)
        there = ConsumerStats() if self.before is None else consumer(self.before, output)
        if here.blocks == there.blocks:  # a wait is counted when it is over
            ready = [edge.blocks for edge in self.now.edges if edge.target == f"output {output!r}"]
            over = self.now.finished or (self.now.outcome is not None and self.now.outcome.kind == "left")
            return 0.0 if any(ready) or over else 1.0
        return min(1.0, max(0.0, (here.wait - there.wait) / self.seconds))

    def time_of(self, stage: str) -> Time:
        """Where the time of a stage's workers went."""
        now = self.now.stages[stage]
        before = None if self.before is None else self.before.stages[stage]
        workers = max(1, now.workers) * self.seconds
        # By the tasks' accounts, which have calls that are under way: a long one is not idle until it ends.
        done, then = spent(self.now, stage), (0.0, 0.0) if self.before is None else spent(self.before, stage)
        busy = within((done[0] - then[0]) / workers, 1.0)
        lock = within(grown(now, before, "lock") / workers, busy)
        cpu = within((done[1] - then[1]) / workers, busy - lock)
        queued = within(grown(now, before, "waited") / workers, 1.0 - busy)
        room = within(grown(now, before, "blocked") / self.seconds, 1.0 - busy - queued)
        off = busy - lock - cpu
        # A call of the kernel executor that is off its CPU waits for one, or for the lock; others for a disk.
        disk = off if off >= DISK and now.executor == "io" else 0.0
        late = lock + queued + (off if off >= DISK and now.executor == "kernel" else 0.0)
        work = busy + queued - disk - late
        return Time(work, disk, late, room, 0.0, max(0.0, 1.0 - busy - queued - room))

    def late_word(self, stage: str) -> str:
        """What workers wait for inside a call, or in front of it."""
        now = self.now.stages[stage]
        before = None if self.before is None else self.before.stages[stage]
        lock, busy = grown(now, before, "lock"), grown(now, before, "busy")
        others = grown(now, before, "waited") + busy - lock - grown(now, before, "cpu")
        return "lock" if lock > others else "CPU"


def consumer(stats: RunStats, output: str) -> ConsumerStats:
    """Whoever takes an output."""
    return stats.consumers.get(output, ConsumerStats())


def spent(stats: RunStats, stage: str) -> tuple[float, float]:
    """Seconds of a stage's workers, and of CPU among them."""
    tasks = [task for task in stats.tasks if stage in task.work]
    if not tasks:
        return stats.stages[stage].busy, stats.stages[stage].cpu
    return sum(task.work[stage] for task in tasks), sum(task.cpu_by_stage()[stage] for task in tasks)


def grown(now: StageStats, before: StageStats | None, name: str) -> float:
    """By how much a total of a stage grew."""
    return float(getattr(now, name, 0.0)) - (float(getattr(before, name, 0.0)) if before else 0.0)


def within(value: float, most: float) -> float:
    """A part of the time; calls are counted when they end, so that a moment may seem to hold too much."""
    return min(max(0.0, most), max(0.0, value))


def latest(past: Sequence[RunStats], until: float) -> RunStats | None:
    """The last moment that is so long ago; where none is, the first; None: there is none."""
    found = past[0] if past else None
    for each in past:
        if each.elapsed > until:
            break
        found = each
    return found
