"""`flowload watch RUN.flow ...`: look at recorded runs, one or several side by side."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from flowload.cli.bell import Bell
from flowload.cli.view.lines import say
from flowload.errors import FlowloadError, GraphError
from flowload.picture.painter import check_path, paint
from flowload.picture.record.compare import compare, names_of
from flowload.picture.record.recording import FileRun, Recording, read_recording
from flowload.picture.record.sampler import running

__all__ = ["watch"]

MOST = 8  #: recordings beside each other
ENDS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the page; 0: one that is free. [0]"
)
@click.option(
    "-o",
    "--out",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Draw it: SVG, PNG, DOT, Mermaid.",
)
@click.option("--text", is_flag=True, help="Print what differs between two, and serve no page.")
def watch(files: tuple[Path, ...], *, port: int, out: Path | None, text: bool) -> int:
    """Look at runs that `flowload run --record` has written, on the page that shows running ones.

    Of two it says which is faster, which stage made the difference, and what was set differently.
    """
    if len(files) > MOST:
        raise click.UsageError(f"{len(files)} recordings; at most {MOST} stand beside each other")
    try:
        recordings = [read_recording(path) for path in files]
    except FlowloadError as error:
        raise click.UsageError(str(error)) from error
    if text:
        if len(recordings) != 2:
            raise click.UsageError("--text compares two recordings")
        for note in compare(*recordings):
            say(note)
        return 0
    if out is not None:
        return draw(recordings, out)
    return serve(recordings, port)


def draw(recordings: list[Recording], out: Path) -> int:
    """One recording as a picture, at the last moment at which it went on."""
    if len(recordings) != 1:
        raise click.UsageError("-o draws one recording")
    try:
        check_path(out)
    except GraphError as error:
        raise click.UsageError(str(error)) from error
    paint(recordings[0].rails, running(list(recordings[0].moments)), out)
    say(f"wrote {out}")
    return 0


def serve(recordings: list[Recording], port: int) -> int:
    """Until Ctrl-C."""
    from flowload.picture.web.board import Board  # noqa: PLC0415 - a server is for those who want a page
    from flowload.picture.web.watch import Watch  # noqa: PLC0415 - the same

    runs = [FileRun(recording) for recording in recordings]
    notes = compare(*recordings) if len(recordings) == 2 else []
    names = names_of(recordings)
    title = names[0] if len(names) == 1 else " and ".join(names)
    try:
        page = Watch(port)
    except OSError as error:
        raise click.UsageError(f"--port {port}: {error.strerror}") from error
    bell = Bell()
    with page:
        page.show(Board(title, runs, names, notes))
        before = {number: signal.signal(number, lambda *_: bell.ring("enough")) for number in ENDS}
        try:
            say(f"watch at {page.url}; Ctrl-C ends it")  # from now on that is true
            while bell.wait(3600) is None:
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 0
