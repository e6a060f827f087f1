"""`flowload profile FILE`: what limits a pipeline, and what the whole would gain if that were faster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from flowload.cli.logs import logging_to
from flowload.cli.parsing.command import Asked, Drawing, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.parsing.numbers import limit
from flowload.cli.sheet import Sheet, checked, open_sheet
from flowload.cli.versions import versions
from flowload.cli.view.lines import say
from flowload.cli.view.table import plain_table, summary
from flowload.cli.view.verdict import as_json, told
from flowload.observe.figures import duration, rate
from flowload.observe.verdict import judge
from flowload.runtime.profile import Profile
from flowload.runtime.profile import profile as look_closely

__all__ = ["profile"]


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
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
    seconds: float,
    samples: float | None,
    seed: int,
    **_: object,
) -> int:
    """Run the pipeline that FILE draws for a while, read as fast as it gives, and tell what limits it.

    Its data are gone through again and again.
    """
    with ExitStack() as stack:
        sheet = stack.enter_context(checked(open_sheet(json), f"--json {json}"))
        stack.enter_context(logging_to(Console(stderr=True), asked.verbose))
        whole = None if samples is None else int(samples)
        say(f"the whole, for {seconds:g} s", err=True)
        seen = look_closely(asked.file.draw(), seconds=seconds, samples=whole, seed=seed)
        for line in report(seen):
            say(line)
        fill(sheet, seen, asked.file)
    return 0


def report(seen: Profile) -> list[str]:
    """What was seen, in words."""
    verdict = judge(seen.now, seen.before)
    lines = [*plain_table(seen.now), *summary(seen.now, {})]
    if verdict is not None and seen.before is not None:
        lines.append(
            f"measured over the last {duration(seen.now.elapsed - seen.before.elapsed)}: {rate(verdict.rate)}"
        )
    return [*lines, "", *told(verdict)]


def fill(sheet: Sheet, seen: Profile, drawing: Drawing) -> None:
    """The numbers, and beside them what was run."""
    sheet.content = {
        **seen.now.as_json(),
        "verdict": as_json(judge(seen.now, seen.before)),
        "run": {
            "file": str(drawing.path),
            "pipeline": drawing.pipeline.function.__name__,
            "options": drawing.values(),
            "versions": versions(),
        },
    }
