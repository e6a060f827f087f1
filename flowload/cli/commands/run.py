"""`flowload run FILE`: run a pipeline, watch it, account for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console
from rich.text import Text

from flowload.abc.operators import State
from flowload.cli.drive import Bounds, Drive
from flowload.cli.logs import logging_to
from flowload.cli.outcome import fill, perform
from flowload.cli.parsing.command import Asked, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.parsing.numbers import limit
from flowload.cli.saving import Saving, newest_state
from flowload.cli.sheet import checked, open_sheet
from flowload.cli.view.beside import ViewDrive, ViewScreen
from flowload.cli.view.screen import LiveScreen, Screen, make_screen
from flowload.errors import FlowloadError
from flowload.graph.engine import Even, OnChange, RunOrder
from flowload.observe.stall import Dump
from flowload.observe.trace import Trace
from flowload.picture.doors import watch
from flowload.printable import printable

if TYPE_CHECKING:
    from flowload.picture.web.watch import Watch

__all__ = ["run"]


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option("--batches", metavar="N", type=limit(whole=True), help="Stop after N batches.")
@click.option("--epochs", metavar="N", type=limit(whole=True), default=1, help="Passes, or inf. [1]")
@click.option("--seconds", metavar="S", type=limit(whole=False), help="Stop after S seconds.")
@click.option("--seed", metavar="N", type=int, default=0, help="All that is random follows from it. [0]")
@click.option("--first-epoch", metavar="N", type=int, default=0, help="Number of the first pass. [0]")
@click.option("--align", is_flag=True, help="No batch has samples of two passes.")
@click.option("--even", type=click.Choice(get_args(Even)), default="auto", help="allow: ranks may differ.")
@click.option("--json", metavar="PATH", type=click.Path(path_type=Path), help="Write the statistics there.")
@click.option("--trace", metavar="PATH", type=click.Path(path_type=Path), help="Write a trace for Perfetto.")
@click.option("--stall", metavar="S", type=limit(whole=False), help="Tell who holds it, after S seconds.")
@click.option("--metrics-port", metavar="N", type=click.IntRange(0, 65535), help="Serve Prometheus there.")
@click.option("--watch", is_flag=True, help="Serve a page on this machine that shows it moving.")
@click.option(
    "--watch-port",
    metavar="N",
    type=click.IntRange(0, 65535),
    help="Serve that page there. [a free one]",
)
@click.option(
    "--record", metavar="PATH", type=click.Path(path_type=Path), help="Keep it for `flowload watch`."
)
@click.option("--save-state", metavar="DIR", type=click.Path(path_type=Path), help="Save states there.")
@click.option("--every", metavar="S", type=limit(whole=False), default=60, help="Seconds between. [60]")
@click.option("--resume", metavar="DIR|FILE", type=click.Path(path_type=Path), help="Go on from a state.")
@click.option(
    "--on-change",
    type=click.Choice(get_args(OnChange)),
    default="refuse",
    help="A state of other data or code: refuse it, or accept it.",
)
@click.option("--capsules", metavar="DIR", type=click.Path(), help="Keep what calls failed at there.")
@click.option("--tui", is_flag=True, help="A view of the graph that fills the terminal.")
@click.option("--plain", is_flag=True, help="Lines of text instead of the live table.")
@click.option("-v", "--verbose", count=True, help="Log what happens, show tracebacks; -vv: every detail.")
@click.pass_obj
def run(asked: Asked, /, **options: Any) -> int:
    """Run the pipeline that FILE draws: every stage live, and its ledger at the end.

    Without --epochs it runs one. Bounds stop it cleanly; the first that is met counts.
    """
    wanted = Wanted(**options)
    console = Console(highlight=False)
    if wanted.tui and not console.is_terminal:
        raise click.UsageError("--tui: this is no terminal")
    screen: Screen = ViewScreen(console) if wanted.tui else make_screen(console, plain=wanted.plain)
    # On a terminal, log lines must go through the live table's own console: it prints them above itself.
    log_console = Console(stderr=True)
    if isinstance(screen, LiveScreen) and log_console.is_terminal:
        log_console = console
    with ExitStack() as stack:
        sheet = stack.enter_context(checked(open_sheet(wanted.json), f"--json {wanted.json}"))
        tracks = stack.enter_context(checked(open_sheet(wanted.trace), f"--trace {wanted.trace}"))
        stack.enter_context(logging_to(log_console, asked.verbose))
        kind = ViewDrive if wanted.tui else Drive
        drive = kind(asked.file.draw(), wanted.order(), screen, wanted.bounds())
        drive.around = partial(shown, drive, wanted.checked_record(), wanted.page())
        drive.stall, drive.report = wanted.stall, report_to(log_console)
        drive.metrics_port = wanted.metrics_port
        drive.saving = None if wanted.save_state is None else Saving(wanted.save_state, wanted.every)
        drive.trace = Trace() if wanted.trace else None
        drive.title = asked.file.pipeline.function.__name__
        status = perform(drive, verbose=asked.verbose > 0)
        if status != 2:
            fill(sheet, drive, asked.file)
            tracks.content = drive.trace.as_json() if drive.trace else None
    return status


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The words of `flowload run`, as click gives them."""

    file: Path
    verbose: int
    batches: float | None
    epochs: float
    seconds: float | None
    seed: int
    first_epoch: int
    align: bool
    even: Even
    json: Path | None
    trace: Path | None
    stall: float | None
    metrics_port: int | None
    watch: bool
    watch_port: int | None
    record: Path | None
    save_state: Path | None
    every: float
    resume: Path | None
    on_change: OnChange
    capsules: str | None
    tui: bool
    plain: bool

    def bounds(self) -> Bounds:
        """When the run stops at the latest."""
        seconds = None if self.seconds == math.inf else self.seconds
        return Bounds(batches=bounded(self.batches), seconds=seconds)

    def order(self) -> RunOrder:
        """How the graph is run. Raises UsageError where there is no state to go on from."""
        return RunOrder(
            seed=self.seed,
            epochs=bounded(self.epochs),
            first_epoch=self.first_epoch,
            align=self.align,
            even=self.even,
            state=None if self.resume is None else resumed(self.resume),
            on_change=self.on_change,
            capsules=self.capsules,
        )

    def page(self) -> int | None:
        """The port of the page; None: there is none."""
        return self.watch_port if self.watch_port is not None else 0 if self.watch else None

    def checked_record(self) -> Path | None:
        """The file that is written. Raises UsageError for one that cannot be."""
        record = self.record
        if record is not None and (record.is_dir() or not record.absolute().parent.is_dir()):
            told = "is a folder" if record.is_dir() else "there is no such folder"
            raise click.UsageError(f"--record {record}: {told}")
        return record


@contextmanager
def shown(drive: Drive, record: Path | None, port: int | None, batches: Any) -> Iterator[None]:
    """While inside, a run has its page, and is recorded, if either is wanted."""
    with ExitStack() as stack:
        if port is not None:
            page = stack.enter_context(opened(batches, drive.title, port))
            drive.screen.say([f"watch at {page.url}" if page.url else "watch on the first rank's page"])
        if record is not None:
            from flowload.picture.record.recording import Recorder  # noqa: PLC0415 - for who wants one

            stack.enter_context(Recorder(batches, drive.title, record))
        yield


def opened(batches: Any, title: str, port: int) -> Watch:
    """The page of a run. Raises UsageError where its port is taken."""
    try:
        return watch(batches, title=title, port=port)
    except OSError as error:
        raise click.UsageError(f"--watch-port {port}: {error.strerror}") from error


def report_to(console: Console) -> Callable[[Dump], None]:
    """Prints a dump, where log lines go."""

    def report(dump: Dump) -> None:
        for line in [f"no progress, or asked by signal: {dump.headline}", *dump.lines()[1:]]:
            console.print(Text(printable(line)), soft_wrap=True)

    return report


def bounded(number: float | None) -> int | None:
    """A whole number, or None where there is no bound."""
    return None if number in (None, math.inf) else int(number or 0)


def resumed(folder: Path) -> State:
    """The newest state of a folder. Raises UsageError where there is none."""
    try:
        return newest_state(folder)
    except FlowloadError as error:
        raise click.UsageError(f"--resume {folder}: {error}") from error
