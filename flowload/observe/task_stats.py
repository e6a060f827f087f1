"""What goes on inside a run, at one moment: tasks, the queues between them, the threads of their calls."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["EdgeStats", "ExecutorStats", "TaskStats"]


class EdgeStats(NamedTuple):
    """One queue between two stages at one moment."""

    source: str  #: node and port that writes, such as "split.train"
    target: str  #: node that reads
    blocks: int  #: waiting now
    nbytes: int  #: waiting now, in bytes
    capacity: int  #: blocks that fit
    mean: float  #: blocks waiting, mean over time
    p95: int = 0  #: blocks waiting, at most so many for 95 % of the time
    passed: int = 0  #: blocks written so far
    samples: int = 0  #: samples in them
    passed_bytes: int = 0  #: bytes of them


class TaskStats(NamedTuple):
    """Operators that share a hop, and its workers: all of a stage, a part of it, or several stages."""

    name: str  #: of its operators
    work: Mapping[str, float]  #: seconds of work by stage, summed over workers, calls under way included
    workers: int  #: calls that may run at once
    running: int  #: calls that run now
    executor: str  #: where its calls run: "kernel", "io", or "loop"
    cpu: float  #: seconds of CPU of its calls, estimated from some of them
    waited: float  #: seconds that its calls waited for a thread of their executor
    starved: float  #: seconds without work because no input came
    blocked: float  #: seconds without room for output
    lock: float = 0.0  #: seconds of `work` in which calls waited for Python's lock, estimated from moments
    lock_held: float = 0.0  #: seconds in which calls held it; 0, as `lock`, where the system does not tell
    cpu_of: Mapping[str, float] = MappingProxyType({})  #: `cpu` by stage; empty: as `work` is
    lock_of: Mapping[str, float] = MappingProxyType({})  #: `lock` likewise
    lock_held_of: Mapping[str, float] = MappingProxyType({})  #: `lock_held` likewise

    def cpu_by_stage(self) -> Mapping[str, float]:
        """Seconds of CPU of each stage."""
        return self.cpu_of or self._as_work(self.cpu)

    def lock_by_stage(self) -> Mapping[str, float]:
        """Seconds in which each waited for Python's lock."""
        return self.lock_of or self._as_work(self.lock)

    def lock_held_by_stage(self) -> Mapping[str, float]:
        """Seconds in which each held it."""
        return self.lock_held_of or self._as_work(self.lock_held)

    def _as_work(self, seconds: float) -> dict[str, float]:
        together = sum(self.work.values())
        return {stage: seconds * own / together if together else 0.0 for stage, own in self.work.items()}


class ExecutorStats(NamedTuple):
    """Threads for blocking work, at one moment."""

    name: str  #: "kernel": work that needs a CPU; "io": work that waits
    threads: int  #: most that there may be
    running: int  #: calls that run now
    queued: int  #: calls that wait for a thread now
    done: int  #: calls that are over
    work: float  #: seconds of these calls, summed over threads
    waited: float  #: seconds that they waited for a thread
