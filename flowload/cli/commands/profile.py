"""`flowload profile FILE`: what limits a pipeline, and what it could reach with other workers."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from flowload.cli.command import Asked, Drawing, FileCommand
from flowload.cli.completion import PipelineFile
from flowload.cli.logs import logging_to
from flowload.cli.numbers import limit
from flowload.cli.sheet import Sheet, checked, open_sheet
from flowload.cli.versions import versions
from flowload.cli.view.lines import say
from flowload.cli.view.prospects import as_json, prospects
from flowload.cli.view.table import plain_table, summary
from flowload.cli.view.verdict import as_json as verdict_as_json
from flowload.cli.view.verdict import told
from flowload.observe.figures import duration, rate
from flowload.observe.verdict import judge
from flowload.observe.whatif import what_if
from flowload.runtime.profile.profile import Profile
from flowload.runtime.profile.profile import profile as look_closely

__all__ = ["profile"]

HELP = "Run every stage alone, too, with 1 to n workers."


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option("--what-if", "alone", is_flag=True, help=HELP)
@click.option(
    "--seconds",
    metavar="S",
    type=limit(whole=False, most=1e6),
    default=10,
    help="Run so long from the first batch on. [10]",
)
@click.option("--samples", metavar="N", type=limit(whole=True, most=1e15), help="Stop after N samples.")
@click.option("--seed", metavar="N", type=int, default=0, help="All that is random follows from it. [0]")
@click.option("--json", metavar="PATH", type=click.Path(path_type=Path), help="Write the numbers there.")
@click.option("-v", "--verbose", count=True, help="Log what happens, show tracebacks; -vv: every detail.")
@click.pass_obj
def profile(
    asked: Asked,
    /,
    *,
    json: Path | None,
    alone: bool,
    seconds: float,
    samples: float | None,
    seed: int,
    **_: object,
) -> int:
    """Run the pipeline that FILE draws for a while, read as fast as it gives, and tell what limits it.

    Its data are gone through again and again. With --what-if, every stage is then run alone, with what it was
    given in the run: the table says how fast it could be, and which `workers=` would help.
    """
    with ExitStack() as stack:
        sheet = stack.enter_context(checked(open_sheet(json), f"--json {json}"))
        stack.enter_context(logging_to(Console(stderr=True), asked.verbose))
        whole = None if samples is None else int(samples)
        tell = partial(say, err=True)
        seen = look_closely(
            asked.file.draw(), seconds=seconds, samples=whole, seed=seed, alone=alone, tell=tell
        )
        for line in report(seen, alone=alone):
            say(line)
        fill(sheet, seen, asked.file)
    return 0


def report(seen: Profile, *, alone: bool) -> list[str]:
    """What was seen, in words."""
    verdict = judge(seen.now, seen.before)
    lines = [*plain_table(seen.now), *summary(seen.now, {})]
    if verdict is not None and seen.before is not None:
        lines.append(
            f"measured over the last {duration(seen.now.elapsed - seen.before.elapsed)}: {rate(verdict.rate)}"
        )
    lines += ["", *told(verdict)]
    if alone:
        lines += ["", *prospects(what_if(seen.now, seen.before, seen.trials))]
    return lines


def fill(sheet: Sheet, seen: Profile, drawing: Drawing) -> None:
    """The numbers, and beside them what was run."""
    sheet.content = {
        **seen.now.as_json(),
        "verdict": verdict_as_json(judge(seen.now, seen.before)),
        "what_if": as_json(what_if(seen.now, seen.before, seen.trials)) if seen.trials else None,
        "run": {
            "file": str(drawing.path),
            "pipeline": drawing.pipeline.function.__name__,
            "options": drawing.values(),
            "versions": versions(),
        },
    }
