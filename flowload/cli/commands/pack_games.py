"""`flowload pack games`: from files of moves to positions that training maps to memory."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from flowload.cli.terminable import terminable
from flowload.cli.view.lines import say
from flowload.cpus import usable_cpus
from flowload.formats.games.layouts import LAYOUTS
from flowload.formats.games.pack import Packed, Progress, pack_games
from flowload.observe.figures import counted

__all__ = ["games"]


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DIR...")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--layout", type=click.Choice(list(LAYOUTS)), default="bits", help="32, 194 or 780 bytes. [bits]"
)
@click.option("--prefix", default="positions", help="What names of the files begin with. [positions]")
@click.option(
    "--sync/--no-sync", default=True, help="Wait for the disk, so that no power failure does harm. [on]"
)
@click.option("--workers", metavar="N", type=click.IntRange(min=1), help="Threads. [one a CPU]")
def games(data: tuple[str, ...], out: Path, layout: str, prefix: str, sync: bool, workers: int | None) -> int:
    """Replay the games in DIR (files games*, or files and patterns) and write their positions to OUT.

    Stopped half-way, it goes on where it was when it is started again. What is there already, packed of
    the same files, is left as it is.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("positions"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("packing", total=None)

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.rows, total=progress.of_rows)

        with terminable():
            done = pack_games(
                data,
                out,
                layout=layout,
                prefix=prefix,
                workers=workers or usable_cpus(),
                sync=sync,
                report=report,
            )
    say(told(done))
    return 0


def told(done: Packed) -> str:
    """What was done, in one line."""
    what = f"{counted(done.rows, 'position', 'positions')} of {counted(done.games, 'game', 'games')}"
    skipped = f", {done.skipped:,} of them all random and skipped" if done.skipped else ""
    skipped += f" ({done.empty:,} without a move)" if done.empty else ""
    again = {0: "", done.parts: "; nothing had changed"}.get(
        done.kept, f"; {done.kept} of {done.parts} parts were done before"
    )
    return f"{done.packing.folder / done.packing.prefix}: {what}{skipped}{again}"
