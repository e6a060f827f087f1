"""A run beside the terminal view: the view has the main thread, as terminals want it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flowload.cli.drive import Drive, Ended
from flowload.errors import MissingExtra
from flowload.observe.stats import RunStats

from .screen import PlainScreen

if TYPE_CHECKING:
    from .tui import View

__all__ = ["ViewDrive", "ViewScreen"]


class ViewScreen:
    """Passes moments on to the view, and prints the end below when that has gone."""

    tick = 0.5

    def __init__(self, console: Console) -> None:
        self.after = PlainScreen(console)
        self.show: Callable[..., Any] | None = None  #: calls what it is given in the view's thread

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        """Show this moment."""
        if self.show is not None:
            self.show(now, dict(outputs))

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None:
        """Replace the live view by the table of the whole run."""
        self.after.close(last, outputs)

    def say(self, lines: Iterable[str]) -> None:
        """Print lines."""
        self.after.say(lines)


class ViewDrive(Drive):
    """A drive in a thread of its own, with the view in front. Raises MissingExtra without Textual."""

    def run(self) -> Ended:
        """Until the end, and until the user has seen it."""
        view = self.make_view()
        work = threading.Thread(target=self.work, args=(view,), name="flowload-drive", daemon=True)
        view.begin = work.start
        logger = logging.getLogger("flowload")
        from .tui import LogLines  # noqa: PLC0415 - see make_view

        handler = LogLines(view.lines)
        others, logger.handlers = logger.handlers, [handler]
        try:
            view.run()
        finally:
            self.bell.ring("interrupted")
            if work.ident is not None:
                work.join()
            logger.handlers = others
        return self.ended

    def make_view(self) -> View:
        """The view; its library is an extra."""
        try:
            from .tui import View  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtra("--tui shows itself by Textual: pip install 'flowload[tui]'") from error
        return View(self.graph, self.title, self.bell)

    def work(self, view: View) -> None:
        """The run itself."""
        assert isinstance(self.screen, ViewScreen)  # noqa: S101 - see run
        self.screen.show = partial(later, view, view.moment)
        try:
            super().run()
        except BaseException as error:  # noqa: BLE001 - raised where a drive's errors are told
            self.error = error
        finally:
            self.screen.show = None
            later(view, view.ended, "failed" if self.error else self.ended)


def later(view: View, call: Callable[..., Any], *args: Any) -> None:
    """Have it called in the view's thread, if the view is still there."""
    if view.is_running:
        view.call_later(call, *args)
