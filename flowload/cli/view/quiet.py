"""A screen that shows nothing: whoever looks at the run does so from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowload.observe.stats import RunStats

__all__ = ["QuietScreen"]


class QuietScreen:
    """Asks for a moment so seldom that it costs nothing."""

    tick = 60.0

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        """Nothing to show."""

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """Nothing to close."""

    def say(self, lines: Iterable[str]) -> None:
        """Nothing to say."""
