"""Where a run shows itself while it runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from flowload.observe.stats import RunStats
from flowload.observe.verdict import judge
from flowload.printable import printable

from .table import plain_table, progress, summary, table
from .verdict import brief

__all__ = ["LiveScreen", "PlainScreen", "Screen", "make_screen"]


class Screen(Protocol):
    """Shows snapshots of a run; `tick` is how often it wants one, in seconds."""

    tick: float

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        """Show this moment. `outputs`: batches that each output gave."""

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """Show the end; None: leave nothing behind."""

    def say(self, lines: Iterable[str]) -> None:
        """Print lines; after `close`."""


class LiveScreen:
    """A table that is repainted in place; the last one stays."""

    tick = 0.25

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._before: RunStats | None = None
        self._warm: RunStats | None = None  # the first moment with a batch

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        """Repaint; the display starts with the first, so that an early failure leaves the screen clean."""
        if not self._live.is_started:
            self._live.start()
        self._warm = self._warm or (now if now.delivered else None)
        self._live.update(self._picture(now, outputs, self._before), refresh=True)
        self._before = now

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """The whole run's table stays on the screen."""
        started = self._live.is_started
        if last is None:
            self._live.transient = True
        elif started:
            self._live.update(self._picture(last, outputs, None), refresh=True)
        else:
            self._console.print(self._picture(last, outputs, None))
        if started:
            self._live.stop()

    def say(self, lines: Iterable[str]) -> None:
        """Print without wrapping or colouring."""
        for line in lines:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def _picture(self, now: RunStats, outputs: Mapping[str, int], before: RunStats | None) -> Group:
        lines = [*summary(now, outputs, self._warm)]
        if before is not None and now.delivered:  # while it runs; at the end the whole verdict is told
            lines.append(brief(judge(now, self._warm)))
        return Group(table(now, before), Text(), *(Text(printable(line)) for line in lines))


class PlainScreen:
    """Lines of text, for files, pipes and logs."""

    tick = 2.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._before: RunStats | None = None
        self._warm: RunStats | None = None  # the first moment with a batch

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:  # noqa: ARG002 - one line has no room
        """One line; the longer a run takes, the more seldom."""
        self._warm = self._warm or (now if now.delivered else None)
        self.say([progress(now, self._before, self._warm)])
        self._before = now
        self.tick = min(60.0, max(2.0, now.elapsed / 20))

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """Replace the live view by the table of the whole run."""
        if last is not None:
            gap = [] if self._before is None else [""]
            self.say([*gap, *plain_table(last), "", *summary(last, outputs)])

    def say(self, lines: Iterable[str]) -> None:
        """Print, at once: whoever reads a log wants to see the line when it is written."""
        for line in lines:
            self._console.file.write(printable(line) + "\n")
        self._console.file.flush()


def make_screen(console: Console, *, plain: bool) -> Screen:
    """What fits the console."""
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return PlainScreen(console)
    return LiveScreen(console)
