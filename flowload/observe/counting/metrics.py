"""Counters of one operator: written where its calls are settled, read by snapshots."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from time import perf_counter

from .durations import Durations

__all__ = ["CpuSample", "Meter", "Rate"]

#: `thread_time` costs a microsecond or two, as much as a short call: it is read for one call in EVERY, and
#: for each that follows one longer than LONG (s), where it costs nothing worth mentioning.
EVERY, LONG = 16, 1e-3


class Rate:
    """Samples per second over the last `window` seconds and overall, from the running total."""

    def __init__(self, window: float = 1.0) -> None:
        self._window = window
        self._marks: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def note(self, total: int) -> None:
        """The running total, now."""
        now = perf_counter()
        if self._first is None:
            self._first = (now, 0)
        if not self._marks or now - self._marks[-1][0] > self._window / 8:
            self._marks.append((now, total))
            while len(self._marks) > 2 and now - self._marks[1][0] > self._window:
                self._marks.popleft()

    def recent(self, total: int) -> float:
        """Samples per second over the last seconds."""
        return self._since(self._marks[0] if self._marks else None, total)

    def overall(self, total: int) -> float:
        """Samples per second since the first sample."""
        return self._since(self._first, total)

    @staticmethod
    def _since(mark: tuple[float, int] | None, total: int) -> float:
        if mark is None:
            return 0.0
        elapsed = perf_counter() - mark[0]
        return (total - mark[1]) / elapsed if elapsed > 0 else 0.0


class CpuSample:
    """Seconds of CPU of some calls, and of work of the same: their share stands for all."""

    __slots__ = ("_cpu", "_last", "_work")

    def __init__(self) -> None:
        self._cpu = self._work = self._last = 0.0

    def asks(self, done: int) -> bool:
        """Whether to sample the call that begins now, after so many; asked from any thread."""
        return self._last > LONG or done % EVERY == 0

    def note(self, work: float, cpu: float | None) -> None:
        """Add a call that is over, with its seconds of CPU if they were sampled."""
        self._last = work
        if cpu is not None:
            self._cpu += cpu
            self._work += work

    def share(self, otherwise: float = 1.0) -> float:
        """CPU seconds for each second of work, at most 1; `otherwise` where no call was sampled."""
        return min(1.0, self._cpu / self._work) if self._work else otherwise


@dataclass(slots=True)
class Meter:
    """Counters of one operator, in the unit of its output."""

    in_: int = 0
    taken: int = 0  #: samples of the input blocks, in the unit of the input
    out: int = 0
    held: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    blocks_in: int = 0
    blocks_out: int = 0
    bytes_out: int = 0
    durations: Durations = field(default_factory=Durations)  #: of its calls
    done: int = 0  #: of its calls, those of this run
    skipped: int = 0  #: samples dropped by the error policy, part of `dropped`
    missing: int = 0  #: samples given in which a fill value stands for data never stored, part of `out`
    rate: Rate = field(default_factory=Rate)
    cpu: CpuSample = field(default_factory=CpuSample)  #: of its calls, where it shares jobs with others

    @property
    def calls(self) -> int:
        """Number of finished calls."""
        return self.durations.count

    @property
    def busy(self) -> float:
        """Seconds of its calls together."""
        return self.durations.total

    @property
    def under_way(self) -> int:
        """in - (out + dropped + held): 0 when nothing is under way."""
        return self.in_ - self.out - self.dropped.total() - self.held

    @property
    def asks(self) -> bool:
        """Whether the CPU time of the call that begins now is to be sampled."""
        return self.cpu.asks(self.done)  # not their count, which sums 400 bins: 3 us at every call

    def took(self, seconds: float, cpu: float | None) -> None:
        """A call is over; its seconds, and those of CPU if they were sampled."""
        self.done += 1
        self.durations.note(seconds)
        self.cpu.note(seconds, cpu)

    def gave(self, samples: int, nbytes: int) -> None:
        """Count a block that the operator gave."""
        self.out += samples
        self.blocks_out += 1
        self.bytes_out += nbytes
        self.rate.note(self.out)
