"""The terminal view: the graph with its numbers, a stage's history and details, drops, logs, the verdict."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import ContentSwitcher, DataTable, Footer, RichLog, Sparkline, Static

from flowload.cli.bell import Bell
from flowload.graph import Graph
from flowload.graph.describe import Row
from flowload.observe.figures import count, rate, share
from flowload.observe.stats import RunStats, busy, queue
from flowload.observe.verdict import judge
from flowload.printable import printable

from .details import details_of
from .ledger import ledger, remarks
from .table import summary
from .verdict import told

__all__ = ["View"]

HEAD = (("stage", 24), ("rate", 10), ("busy", 15), ("queue", 6), ("dropped", 10))
KEPT, WINDOW = 240, 60  #: moments of the history, and of the verdict
BAR = 9


class View(App[None]):
    """Shows what `moment` is given, and rings `bell` when the user has seen enough. Fits 80 x 24."""

    CSS = """
    #head, #verdict { height: auto; padding: 0 1; }
    #head { background: $primary-background; text-style: bold; height: 1; }
    #verdict { border-top: solid $secondary; max-height: 6; }
    #table { height: auto; max-height: 45%; }
    #lower { height: 1fr; border-top: solid $secondary; }
    #history { height: 2; margin: 0 1; }
    #details, #drops { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Stop"),
        Binding("p", "pause", "Pause"),
        Binding("s", "lower('stage')", "Stage"),
        Binding("d", "lower('lost')", "Drops, ledger"),
        Binding("l", "lower('log')", "Log"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, graph: Graph, title: str, bell: Bell) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {row["name"]: row for row in graph.describe()}
        self.name_of_run = printable(title)
        self.stop_bell = bell
        self.begin: Callable[[], None] = lambda: None  #: called when the view is there
        self.moments: deque[RunStats] = deque(maxlen=KEPT)
        self.outputs: Mapping[str, int] = {}
        self.lines: deque[str] = deque(maxlen=1000)  #: of the log, not shown yet; any thread appends
        self.paused = False
        self.over = ""

    def compose(self) -> ComposeResult:
        """The widgets, from above."""
        yield Static(Text(self.name_of_run), id="head")
        yield DataTable(id="table", cursor_type="row")
        yield Static(id="verdict")
        with ContentSwitcher(id="lower", initial="stage"):
            with VerticalScroll(id="stage"):
                yield Sparkline([], id="history")
                yield Static(id="details")
            with VerticalScroll(id="lost"):
                yield Static(id="drops")
            yield RichLog(id="log", wrap=True)
        yield Footer()

    def on_mount(self) -> None:
        """A row for every stage."""
        table = self.query_one(DataTable)
        for title, width in HEAD:
            side: Literal["left", "right"] = "left" if title in ("stage", "busy") else "right"
            table.add_column(Text(title, justify=side), width=width, key=title)
        before = None
        for row in self.rows.values():
            table.add_row(named(row, before), *[""] * (len(HEAD) - 1), key=row["name"])
            before = row["name"]
        table.focus()
        self.set_interval(0.25, self.show_log)
        self.begin()

    def moment(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        """Show this moment, unless the user wants to look at an earlier one."""
        self.outputs = dict(outputs)
        if not self.paused:
            self.moments.append(now)
            self.show()

    def show(self) -> None:
        """Everything, as the last moment says."""
        if not self.moments or not self.is_running:
            return
        now = self.moments[-1]
        before = self.moments[-2] if len(self.moments) > 1 else None
        words = f"{self.name_of_run}{self.over}: {next(summary(now, self.outputs, self.warm()))}"
        self.query_one("#head", Static).update(Text(words))
        verdict = judge(now, self.warm())
        self.query_one("#verdict", Static).update(Text("\n".join(told(verdict))))
        limit = verdict.limit.who if verdict else ""
        table = self.query_one(DataTable)
        for name in self.rows:
            cells = self.cells(name, now, before, limit=name == limit)
            for (title, _), cell in zip(HEAD[1:], cells, strict=True):
                table.update_cell(name, title, cell)
        self.query_one("#drops", Static).update(Text("\n".join([*drops(now), "", *ledger(now)])))
        self.show_stage()

    def cells(self, name: str, now: RunStats, before: RunStats | None, *, limit: bool) -> list[Text]:
        """A stage's row, but for its name."""
        stage = now.stages[name]
        part = busy(stage, now, before)
        bar = "█" * round(part * BAR) + "·" * (BAR - round(part * BAR))
        lost = sum(stage.dropped.values())
        return [
            Text(rate(stage.rate), justify="right"),
            Text(f"{bar} {share(part):>5}", style="bold red" if limit else ""),
            Text(queue(name, now), justify="right"),
            Text(count(lost), justify="right", style="yellow" if lost else "dim"),
        ]

    def warm(self) -> RunStats | None:
        """An earlier moment with batches, for the verdict and the time left."""
        lately = list(self.moments)[-WINDOW:]
        found = next((moment for moment in lately if moment.delivered), None)
        return None if not lately or found is lately[-1] else found

    def show_stage(self) -> None:
        """History and details of the stage under the cursor."""
        table = self.query_one(DataTable)
        names = list(self.rows)
        if not self.moments or not 0 <= table.cursor_row < len(names):
            return
        name, now = names[table.cursor_row], self.moments[-1]
        self.query_one(Sparkline).data = [moment.stages[name].rate for moment in self.moments]
        pairs = details_of(self.rows[name], now.stages[name], now)
        lines = [f"{name}, its rate above", *(f"{key}: {value}" for key, value in pairs)]
        self.query_one("#details", Static).update(Text("\n".join(lines)))

    def show_log(self) -> None:
        """What was logged since; the log is the only widget that other threads feed."""
        while self.lines:
            self.query_one(RichLog).write(self.lines.popleft())

    def ended(self, word: str) -> None:
        """The run is over: the last moment stays until the user leaves."""
        self.over = f" (over: {word}; q leaves)"
        self.show()

    def on_data_table_row_highlighted(self) -> None:
        """Another stage."""
        self.show_stage()

    def action_lower(self, which: str) -> None:
        """Show one of the lower parts."""
        self.query_one(ContentSwitcher).current = which

    def action_pause(self) -> None:
        """Hold the picture, or let it go on; the run goes on anyway."""
        self.paused = not self.paused
        self.sub_title = "paused" if self.paused else ""
        self.query_one("#head", Static).styles.text_style = "bold reverse" if self.paused else "bold"

    def action_leave(self) -> None:
        """Stop the run; what stays on the terminal is its ledger."""
        self.stop_bell.ring("interrupted")
        self.exit()


class LogLines(logging.Handler):
    """Logging handler that keeps lines for the view."""

    def __init__(self, lines: deque[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.append(self.format(record))


def named(row: Row, before: str | None) -> Text:
    """A stage's name; one that does not follow the row above says what it reads."""
    sources = [f"{i['node']}.{i['port']}" if i["port"] != "out" else i["node"] for i in row["inputs"]]
    if not sources:
        return Text(row["name"], style="cyan")
    if sources == [before]:
        return Text(f"↓ {row['name']}", style="cyan")
    return Text(f"↳ {row['name']} < {', '.join(map(str, sources))}", style="cyan")


def drops(now: RunStats) -> list[str]:
    """What was lost, and why."""
    lost = [(stage.name, remarks(stage)) for stage in now.stages.values() if stage.dropped or stage.missing]
    return [f"{name}: {why}" for name, why in lost] or ["nothing was dropped"]
