"""The command: draw what FILE draws, look closely, and tell what would help."""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from flowload.cli.parsing.command import Asked, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.parsing.numbers import limit
from flowload.cli.status import run_command
from flowload.cli.view.lines import say

from .model import what_if
from .prospects import as_json, prospects
from .trials import look_closely

__all__ = ["main"]


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option(
    "--seconds",
    metavar="S",
    type=limit(whole=False, most=1e6),
    default=10,
    help="Run the whole so long, and its stages alone about as long together. [10]",
)
@click.option("--seed", metavar="N", type=int, default=0, help="All that is random follows from it. [0]")
@click.option("--json", metavar="PATH", type=click.Path(path_type=Path), help="Write the numbers there.")
@click.pass_obj
def whatif(asked: Asked, /, *, json: Path | None, seconds: float, seed: int, **_: object) -> int:
    """Run the pipeline that FILE draws, then each of its stages alone, and tell which workers= would help."""
    seen, trials = look_closely(asked.file.draw(), seconds=seconds, seed=seed, tell=partial(say, err=True))
    found = what_if(seen.now, seen.before, trials)
    for line in prospects(found):
        say(line)
    if json is not None:
        json.write_text(jsons.dumps(as_json(found), indent=1), encoding="utf-8")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    return run_command(whatif, argv, "python tools/whatif")
