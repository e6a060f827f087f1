"""How long consumers waited for new data."""

from __future__ import annotations

from .durations import Durations
from .stats import WaitStats

__all__ = ["Waits"]


class Waits:
    """Seconds; the first wait apart, for it is for opening. One writer, any number of readers."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.others = Durations()

    def note(self, seconds: float) -> None:
        """One more."""
        if self.first is None:
            self.first = seconds
        else:
            self.others.note(seconds)

    def stats(self) -> WaitStats:
        """Counts and quantiles so far."""
        others = self.others
        return WaitStats(
            waits=others.count,
            first=self.first or 0.0,
            mean=others.total / others.count if others.count else 0.0,
            p50=others.quantile(0.5),
            p95=others.quantile(0.95),
            longest=others.most,
        )
