"""`fl.StepTimes`: how long a training waited for data, and what its steps took, by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

from flowload.errors import GraphError
from flowload.observe.counting.durations import Durations

from .figures import align
from .stats import WaitStats

__all__ = ["PartTimes", "StepTimes"]

WAIT = "wait"  #: what the run measures by itself


class PartTimes(NamedTuple):
    """What one part of the steps of an epoch took, in seconds."""

    times: int
    mean: float
    p95: float  #: 95 of 100 took no longer (within 1/16)
    longest: float


class StepTimes:
    """Times of an epoch's steps: waiting for data, which the run measures, and parts that you tell.

    Args:
        batches: the run: `graph.iterate(...)`, or one output of several. None: only what is told.
        done: called when a part ends, such as `torch.cuda.synchronize`: else a part on a card is over for
            the host long before it has happened.

    Examples:
        >>> with fl.windows(sample_path("neural"), 512, count=3).iterate() as batches:
        ...     times = fl.StepTimes(batches)
        ...     for window in batches:
        ...         with times.part("forward"):
        ...             total = window["timeseries"].sum()
        >>> by_epoch = times.by_epoch()
        >>> by_epoch[0]["forward"].times, by_epoch[0]["wait"].times
        (3, 2)
    """

    def __init__(self, batches: Any = None, *, done: Callable[[], object] | None = None) -> None:
        self.batches = batches
        self.done = done
        self.told: dict[int, dict[str, Durations]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """In `with times.part("forward"):` one more is timed; not where it raises."""
        began = perf_counter()
        yield
        if self.done is not None:
            self.done()
        self.note(**{name: perf_counter() - began})

    def note(self, **seconds: float) -> None:
        """One more of each part, in the present epoch: `times.note(forward=0.01, step=0.002)`."""
        if WAIT in seconds:
            raise GraphError("StepTimes: the run measures 'wait' by itself; call a part otherwise")
        epoch = 0 if self.batches is None else self.batches.epoch
        parts = self.told.setdefault(epoch, {})
        for name, took in seconds.items():
            parts.setdefault(name, Durations()).note(took)

    def by_epoch(self) -> dict[int, dict[str, PartTimes]]:
        """What was measured, by epoch and part; of waits those for new data behind the run's first."""
        waits = self.waits()
        return {
            epoch: {
                **({WAIT: of_waits(waits[epoch])} if epoch in waits else {}),
                **{name: of_durations(took) for name, took in self.told.get(epoch, {}).items()},
            }
            for epoch in sorted({*waits, *self.told})
        }

    def waits(self) -> Mapping[int, WaitStats]:
        """Of the run, by epoch."""
        if self.batches is None:
            return {}
        found: Mapping[int, WaitStats] = self.batches.stats().epoch_waits
        return found

    def __str__(self) -> str:
        """A table: a row for each part of each epoch, in milliseconds."""
        head = ("epoch", "part", "times", "mean ms", "p95 ms", "longest ms")
        rows = [
            (str(epoch), name, str(part.times), *(f"{1000 * s:.2f}" for s in part[1:]))
            for epoch, parts in self.by_epoch().items()
            for name, part in parts.items()
        ]
        return "\n".join(align([head, *rows], "><>>>>"))


def of_waits(waits: WaitStats) -> PartTimes:
    """The waits of an epoch."""
    return PartTimes(waits.waits, waits.mean, waits.p95, waits.longest)


def of_durations(took: Durations) -> PartTimes:
    """One part of an epoch."""
    count = took.count
    return PartTimes(count, took.total / count if count else 0.0, took.quantile(0.95), took.most)
