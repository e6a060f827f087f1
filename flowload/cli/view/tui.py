"""The terminal view: the picture of a run in letters, a stage's details, drops, the log; keys alone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.widgets import ContentSwitcher, Footer, RichLog, Static

from flowload.cli.bell import Bell
from flowload.graph import Graph
from flowload.observe.figures import clock
from flowload.observe.stats import RunStats
from flowload.picture.panel_text import panel_lines
from flowload.picture.record.feed import Memory
from flowload.picture.scene.moment import Moment
from flowload.picture.scene.rails import rails_of
from flowload.picture.svg.palette import DARK
from flowload.picture.terminal import Line, Piece, Screen, picture_lines
from flowload.printable import printable

__all__ = ["LogLines", "View"]

KEPT = 1200  #: moments: ten minutes
SPANS = (60.0, 120.0, 300.0, 600.0)
SIDE, WIDE = 44, 150  #: columns of the details, and from which on they stand beside the picture
ROLES = {**DARK, "strong": f"bold {DARK['ink']}", "hot": f"bold {DARK['hot']}", "pick": "reverse", "": ""}


class View(App[None]):
    """Shows what `moment` is given, and rings `bell` when the user has seen enough. Fits 80 x 24."""

    CSS = """
    #top { height: auto; max-height: 80%; }
    #picture, #beside, #books, #stage, #drops { height: auto; text-wrap: nowrap; }
    #scroll { width: 1fr; height: auto; max-height: 100%; }
    VerticalScroll { scrollbar-size-vertical: 1; }
    #side { width: 44; max-height: 100%; border-left: solid $secondary; padding: 0 1; display: none; }
    #lower { height: 1fr; min-height: 4; border-top: solid $secondary; }
    #run, #lost, #details { padding: 0 1; }
    .wide #side { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "stage(-1)", "Stage", key_display="↑↓", priority=True),
        Binding("down", "stage(1)", show=False, priority=True),
        Binding("left", "travel(-1)", "Moment", key_display="←→", priority=True),
        Binding("right", "travel(1)", show=False, priority=True),
        Binding("enter", "details", "Details", priority=True),
        Binding("d", "lower('lost')", "Drops"),
        Binding("l", "lower('log')", "Log"),
        Binding("p,space", "pause", "Pause", key_display="p"),
        Binding("left_square_bracket", "wider(-1)", show=False),
        Binding("right_square_bracket", "wider(1)", "Span", key_display="[ ]"),
        Binding("escape", "to_now", "Back", priority=True),
        Binding("q", "leave", "Stop"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, graph: Graph, title: str, bell: Bell) -> None:
        super().__init__()
        self.rails = rails_of(graph.describe(), title, graph.memory()["total"])
        self.memory = Memory(self.rails)
        self.stop_bell = bell
        self.begin: Callable[[], None] = lambda: None  #: called when the view is there
        self.moments: deque[Moment] = deque(maxlen=KEPT)
        self.held: list[Moment] = []  #: what is shown while the view is paused, or looks back
        self.lines: deque[str] = deque(maxlen=1000)  #: of the log, not shown yet; any thread appends
        self.paused = False
        self.cursor = -1.0
        self.chosen = -1  #: row that is looked at
        self.span = SPANS[1]
        self.over = ""

    def compose(self) -> ComposeResult:
        """The widgets, from above."""
        with Vertical(id="body"):
            with Horizontal(id="top"):
                with VerticalScroll(id="scroll"):
                    yield Static(Text(self.rails.title), id="picture")
                with VerticalScroll(id="side"):
                    yield Static(id="beside")
            with ContentSwitcher(id="lower", initial="run"):
                with VerticalScroll(id="run"):
                    yield Static(id="books")
                with VerticalScroll(id="details"):
                    yield Static(id="stage")
                with VerticalScroll(id="lost"):
                    yield Static(id="drops")
                yield RichLog(id="log", wrap=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin when everything is there."""
        self.set_interval(0.25, self.show_log)
        self.begin()

    def on_resize(self, event: Resize) -> None:
        """The details go beside the picture where there is room."""
        self.query_one("#body").set_class(event.size.width >= WIDE, "wide")
        self.call_after_refresh(self.show)

    def moment(self, now: RunStats, outputs: Mapping[str, int]) -> None:  # noqa: ARG002 - a drive says both
        """Keep this moment, and show it unless the user looks at an earlier one."""
        self.moments.append(self.memory.keep(now))
        if not self.held:
            self.show()

    @property
    def shown(self) -> list[Moment]:
        """The moments that are looked at."""
        return self.held or list(self.moments)

    @property
    def row(self) -> str:
        """The row that is looked at."""
        return self.rails.rows[self.chosen].name if 0 <= self.chosen < len(self.rails.rows) else ""

    def at(self) -> int:
        """The number of the moment that is looked at."""
        moments = self.shown
        if self.cursor < 0:
            return len(moments) - 1
        return min(range(len(moments)), key=lambda k: abs(moments[k]["at"] - self.cursor))

    def show(self) -> None:
        """Everything, as the moment says that is looked at."""
        moments = self.shown
        if not moments or not self.is_running:
            return
        at = self.at()
        now = moments[at]
        wide = self.size.width >= WIDE
        # A column each for the scrollbars, whether they are there or not: nothing jumps.
        screen = Screen(self.size.width - (SIDE if wide else 0) - 1, self.span, self.cursor, self.row)
        drawn = picture_lines(self.rails, moments, len(moments) - 1, at, screen)
        self.query_one("#picture", Static).update(text_of([*drawn, self.chip(now)]))
        own = now["stages"][self.chosen] if self.row else now["panel"]
        lines = panel_lines(own, SIDE - 5 if wide else self.size.width - 4)
        title = self.rails.rows[self.chosen].label if self.row else "Run"
        for name in ("#beside", "#stage"):
            self.query_one(name, Static).update(text_of([[Piece(title, "strong")], *lines]))
        self.query_one("#books", Static).update(text_of(books(now, self.size.width - 4)))
        self.query_one("#drops", Static).update(text_of(panel_lines(now["panel"][1:], self.size.width - 4)))

    def chip(self, now: Moment) -> Line:
        """Which moment it is, where it is not now."""
        if self.cursor >= 0:
            ago = round(self.shown[-1]["at"] - now["at"])
            return [Piece(f" {clock(now['at'])}, {ago} s ago; esc: back to now", "pick")]
        if self.over:
            return [Piece(f" over: {self.over}; q leaves", "pick")]
        return [Piece(" paused", "pick")] if self.paused else []

    def show_log(self) -> None:
        """What was logged since; the log is the only widget that other threads feed."""
        while self.lines:
            self.query_one(RichLog).write(Text(self.lines.popleft()))

    def ended(self, word: str) -> None:
        """The run is over: the last moment stays until the user leaves."""
        self.over = word
        self.show()

    def freeze(self) -> None:
        """Hold the moments that there are, or let them go on; the run goes on anyway."""
        hold = self.paused or self.cursor >= 0
        self.held = (self.held or list(self.moments)) if hold else []

    def action_stage(self, by: int) -> None:
        """Another row."""
        count = len(self.rails.rows)
        start = self.chosen if self.row else (-1 if by > 0 else count)
        self.chosen = min(count - 1, max(0, start + by))
        if self.query_one("#lower", ContentSwitcher).current == "run":
            self.action_lower("details")
        self.show()

    def action_travel(self, by: int) -> None:
        """An earlier or a later moment."""
        if not self.shown:
            return
        place = self.at() + 2 * by
        last = len(self.shown) - 1
        self.cursor = -1.0 if by > 0 and place >= last else self.shown[max(0, min(last, place))]["at"]
        self.freeze()
        self.show()

    def action_wider(self, by: int) -> None:
        """A longer or a shorter span of time."""
        self.span = SPANS[min(len(SPANS) - 1, max(0, SPANS.index(self.span) + by))]
        self.show()

    def action_details(self) -> None:
        """The details of the stage that is chosen, or of what limits."""
        if not self.row and self.shown:
            self.chosen = self.rails.row(self.shown[self.at()]["say"]["who"])
        self.action_lower("details" if self.row else "run")
        self.show()

    def action_lower(self, which: str) -> None:
        """Show one of the lower parts; again: the run."""
        lower = self.query_one("#lower", ContentSwitcher)
        lower.current = "run" if lower.current == which and which != "details" else which

    def action_to_now(self) -> None:
        """To now, then to the whole run."""
        if self.cursor >= 0:
            self.cursor = -1.0
            self.freeze()
        else:
            self.chosen = -1
            self.query_one("#lower", ContentSwitcher).current = "run"
        self.show()

    def action_pause(self) -> None:
        """Hold the picture, or let it go on; the run goes on anyway."""
        self.paused = not self.paused
        self.freeze()
        self.show()

    def action_leave(self) -> None:
        """Stop the run; what stays on the terminal is its ledger."""
        self.stop_bell.ring("interrupted")
        self.exit()


def text_of(lines: Sequence[Line]) -> Text:
    """Lines with their colours; what is in them is never obeyed."""
    made = Text(no_wrap=True)
    for line in lines:
        for words, role in line:
            made.append(printable(words), style=ROLES[role])
        made.append("\n")
    return made


def books(now: Moment, width: int) -> list[Line]:
    """The run in few lines: the ledger, what it takes, the last warnings."""
    return panel_lines(now["panel"], width, brief=now["foot"])


class LogLines(logging.Handler):
    """Logging handler that keeps lines for the view."""

    def __init__(self, lines: deque[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.append(self.format(record))
