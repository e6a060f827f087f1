"""Where the time of an executor's threads went, by segment: how long jobs waited, took, and needed a CPU."""

from __future__ import annotations

from time import perf_counter, thread_time

from flowload.observe.counting.metrics import CpuSample

__all__ = ["JobTiming", "TimingTotals"]


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

    __slots__ = ("_cpu", "done", "waited", "work")

    def __init__(self) -> None:
        self.done = 0  #: jobs
        self.work = 0.0  #: seconds
        self.waited = 0.0  #: seconds from queue to thread
        self._cpu = CpuSample()

    def queue(self, timing: JobTiming) -> None:
        """Note that a job was queued, and choose whether its CPU time is sampled."""
        timing.queued = perf_counter()
        timing.asks = self._cpu.asks(self.done)

    def enter(self, timing: JobTiming) -> None:
        """Add the times of a job that is done."""
        work = timing.ended - timing.began
        self.done += 1
        self.work += work
        self.waited += timing.began - timing.queued
        self._cpu.note(work, timing.cpu if timing.asks else None)

    @property
    def cpu_share(self) -> float:
        """CPU seconds per second of work, of the sampled jobs; 1 where none was sampled."""
        return self._cpu.share()
