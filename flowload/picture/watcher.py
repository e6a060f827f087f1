"""A screen that shows nothing: it keeps the last moments of a run for whoever draws them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from flowload.observe.stats import RunStats

__all__ = ["Watcher"]


class Watcher:
    """Keeps so many moments, `tick` seconds apart."""

    def __init__(self, tick: float, keep: int = 240) -> None:
        self.tick = tick
        self.moments: deque[RunStats] = deque(maxlen=keep)

    @property
    def now(self) -> RunStats | None:
        """The last moment while the run went on: afterwards its queues are empty."""
        return self.moments[-1] if self.moments else None

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:  # noqa: ARG002 - a Screen's shape
        """Keep the statistics of this moment for the page."""
        self.moments.append(now)

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """Nothing to close: pictures are written at each moment."""

    def say(self, lines: Iterable[str]) -> None:
        """Ignore: pictures show no text lines."""
