"""Where the time of an executor's threads went, by segment: how long jobs waited, took, and needed a CPU."""

from __future__ import annotations

from time import perf_counter, thread_time

__all__ = ["JobTiming", "TimingTotals"]

#: `thread_time` costs a microsecond or two, as much as a short call: it is read for one job in EVERY, and for
#: each that follows one longer than LONG (s), where it costs nothing worth mentioning.
EVERY, LONG = 16, 1e-3


class JobTiming:
    """When one job was queued, began and ended (s, `perf_counter`), and its CPU time (s) if that is sampled.

    Written by the thread that does the job.
    """

    __slots__ = ("asks", "began", "cpu", "ended", "queued")

    def __init__(self) -> None:
        self.asks = False  #: its CPU time is sampled
        self.queued = self.began = self.ended = 0.0  #: as `perf_counter` says
        self.cpu = 0.0  #: seconds

    def begin(self) -> None:
        """The work begins."""
        self.began = perf_counter()
        if self.asks:
            self.cpu = -thread_time()

    def end(self) -> None:
        """The work is over."""
        if self.asks:
            self.cpu += thread_time()
        self.ended = perf_counter()


class TimingTotals:
    """Sums over all jobs of one segment; updated while holding the run lock."""

    __slots__ = ("_asked_cpu", "_asked_work", "_last", "done", "waited", "work")

    def __init__(self) -> None:
        self.done = 0  #: jobs
        self.work = 0.0  #: seconds
        self.waited = 0.0  #: seconds from queue to thread
        self._asked_cpu = self._asked_work = 0.0
        self._last = 0.0

    def queue(self, timing: JobTiming) -> None:
        """Note that a job was queued, and choose whether its CPU time is sampled."""
        timing.queued = perf_counter()
        timing.asks = self._last > LONG or self.done % EVERY == 0

    def enter(self, timing: JobTiming) -> None:
        """Add the times of a job that is done."""
        work = timing.ended - timing.began
        self.done += 1
        self.work += work
        self.waited += timing.began - timing.queued
        self._last = work
        if timing.asks:
            self._asked_cpu += timing.cpu
            self._asked_work += work

    @property
    def cpu_share(self) -> float:
        """CPU seconds per second of work, of the sampled jobs; 1 where none was sampled."""
        return min(1.0, self._asked_cpu / self._asked_work) if self._asked_work else 1.0
