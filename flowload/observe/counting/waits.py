"""How long consumers waited for new data."""

from __future__ import annotations

from collections import OrderedDict

from flowload.observe.stats import WaitStats

from .durations import Durations

__all__ = ["Waits"]


MOST = 64  #: epochs that are told apart: the last ones


class Waits:
    """Seconds; the first wait apart, for it is for opening. One writer, any number of readers."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.others = Durations()
        self.epochs: OrderedDict[int, Durations] = OrderedDict()

    def note(self, seconds: float, epoch: int = 0) -> None:
        """One more, for data of a pass."""
        if self.first is None:
            self.first = seconds
            return
        self.others.note(seconds)
        if epoch not in self.epochs:
            self.epochs[epoch] = Durations()
            if len(self.epochs) > MOST:
                self.epochs.popitem(last=False)
        self.epochs[epoch].note(seconds)

    def stats(self) -> WaitStats:
        """Counts and quantiles so far."""
        return quantiles(self.others, self.first or 0.0)

    def by_epoch(self) -> dict[int, WaitStats]:
        """The same of the last passes, without the run's first wait."""
        return {epoch: quantiles(took) for epoch, took in list(self.epochs.items())}


def quantiles(took: Durations, first: float = 0.0) -> WaitStats:
    """Counts and quantiles of waits."""
    count = took.count
    return WaitStats(
        waits=count,
        first=first,
        mean=took.total / count if count else 0.0,
        p50=took.quantile(0.5),
        p95=took.quantile(0.95),
        longest=took.most,
    )
