"""`flowload graph FILE`: run a pipeline for a while, and draw what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from flowload.cli.commands.run import bounded, opened
from flowload.cli.drive import Bounds, Drive
from flowload.cli.outcome import status_after
from flowload.cli.parsing.command import Asked, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.parsing.numbers import limit
from flowload.cli.status import run_command
from flowload.cli.view.lines import say
from flowload.cli.view.quiet import QuietScreen
from flowload.errors import GraphError
from flowload.graph.engine import RunOrder
from flowload.picture.painter import check_path, paint
from flowload.picture.record.sampler import Sampler, running

__all__ = ["main", "picture"]


def checked(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Known before anything runs."""
    try:
        return None if path is None else check_path(path)
    except GraphError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=FileCommand, name="graph", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="PATH",
    type=click.Path(path_type=Path),
    callback=checked,
    help="SVG, PNG, DOT or Mermaid, by its ending.",
)
@click.option("--live", "page", is_flag=True, help="Serve a page on this machine that shows it moving.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the page; 0: one that is free. [0]"
)
@click.option(
    "--seconds", metavar="S", type=limit(whole=False), help="Stop after S seconds. [10 without --live]"
)
@click.option("--batches", metavar="N", type=limit(whole=True), help="Stop after N batches.")
@click.option("--epochs", metavar="N", type=limit(whole=True), default="inf", help="Passes, or inf. [inf]")
@click.option("--seed", metavar="N", type=int, default=0, help="All that is random follows from it. [0]")
@click.option("-v", "--verbose", count=True, help="Show tracebacks.")
@click.pass_obj
def picture(asked: Asked, /, *, out: Path | None, page: bool, port: int, **bounds: Any) -> int:
    """Run the pipeline that FILE draws, and draw it with its numbers: throughput, queues, time, the limit."""
    if out is None and not page:
        raise click.UsageError("wanted -o PATH, or --live")
    if bounds["seconds"] is None and not page:
        bounds["seconds"] = 10.0
    order = RunOrder(seed=bounds["seed"], epochs=bounded(bounds["epochs"]))
    stop = Bounds(batches=bounded(bounds["batches"]), seconds=bounds["seconds"])
    drive = Drive(asked.file.draw(), order, QuietScreen(), stop)
    drive.title = asked.file.pipeline.function.__name__
    samplers: list[Sampler] = []

    @contextmanager
    def around(batches: Any) -> Iterator[None]:
        with ExitStack() as stack:
            if page:
                say(f"live at {stack.enter_context(opened(batches, drive.title, port)).url}")
            if out is not None:
                samplers.append(stack.enter_context(Sampler(batches, drive.title)))
            yield

    drive.around = around
    drive.run()
    if drive.error is not None:
        raise drive.error
    for sampler in samplers:
        moments = running(sampler.moments())
        if sampler.feed.rails is not None and moments and out is not None:
            paint(sampler.feed.rails, moments, out)
            say(f"wrote {out}")
    return status_after(drive)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status, as that of `flowload`."""
    return run_command(picture, argv, "python tools/graphviz")
