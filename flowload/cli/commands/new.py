"""`flowload new FILE`: a pipeline file of one's own, to change."""

from __future__ import annotations

from pathlib import Path

import click

from flowload.cli.parsing.completion import names_of
from flowload.cli.view.lines import say
from flowload.graph.pipelines.shipped import shipped_pipelines

__all__ = ["new"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--like",
    metavar="NAME",
    default="chess",
    shell_complete=names_of,
    help=f"One of {', '.join(shipped_pipelines())}. [chess]",
)
def new(file: Path, like: str) -> int:
    """Write a pipeline to FILE, a copy of one that ships with flowload, to change."""
    known = shipped_pipelines()
    if like not in known:
        raise click.UsageError(f"--like {like}: no such pipeline; there are {', '.join(known)}")
    if file.suffix != ".py":
        raise click.UsageError(f"{file}: a pipeline file is a Python file; wanted a name that ends in .py")
    try:
        with file.open("xb") as written:  # nothing is ever overwritten
            written.write(known[like].read_bytes())
    except FileExistsError as error:
        raise click.UsageError(f"{file} is there already; name a new file") from error
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror or error}") from error
    say(f"{file} is the pipeline {like}; try: flowload run {file} --help")
    return 0
