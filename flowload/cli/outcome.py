"""How a run went: told on the screen, in the exit status and in the JSON file."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from flowload.cli.view.ledger import balanced, ledger, reasons
from flowload.cli.view.lines import say
from flowload.cli.view.verdict import as_json, told
from flowload.observe.figures import counted, duration
from flowload.observe.stats import RunStats
from flowload.observe.verdict import Verdict, judge

from .complaint import complain, status_of
from .drive import Drive
from .parsing.command import Drawing
from .sheet import Sheet
from .versions import versions

__all__ = ["fill", "perform", "status_after", "verdict_on"]

AS_ASKED = "finished", "batches", "seconds"
STATUS = {"interrupted": 130, "terminated": 143}  #: else 1


def perform(drive: Drive, *, verbose: bool) -> int:
    """Run, show the end of it, complain if need be; the exit status."""
    with ExitStack() as stack:
        stack.callback(drive.screen.close, None, {})
        drive.run()
        stack.pop_all()
    status = status_after(drive)
    if drive.stats is None or status == 2:
        drive.screen.close(None, {})
        if drive.ended in STATUS and drive.error is None:
            say(f"The run was {drive.ended} before it began.", err=True)
    else:
        drive.screen.close(drive.stats, drive.batches)
        books = ledger(drive.stats, as_asked=as_asked(drive))
        drive.screen.say(["", *told(verdict_on(drive)), "", *books, "", closing(drive)])
    if drive.error is not None:
        say(complain(drive.error, verbose=verbose), err=True)
    return status


def status_after(drive: Drive) -> int:
    """The exit status of a run that is over."""
    if drive.error is not None:
        return status_of(drive.error)
    return 0 if as_asked(drive) else STATUS.get(drive.ended, 1)


def as_asked(drive: Drive) -> bool:
    """Whether it went as asked, to the end: nothing failed, balanced books, everything closed."""
    return (
        drive.error is None
        and drive.ended in AS_ASKED
        and drive.stats is not None
        and balanced(drive.stats)
        and not drive.stats.unclosed
    )


def verdict_on(drive: Drive) -> Verdict | None:
    """What limited the run since its first batch."""
    return None if drive.stats is None else judge(drive.stats, drive.warm)


def closing(drive: Drive) -> str:
    """The last line: why the run ended, and whether its books balance."""
    bounds = drive.bounds
    why = {
        "finished": "The stream ended by itself",
        "empty": "The stream ended by itself, but gave nothing",
        "batches": f"Stopped after {counted(bounds.batches or 0, 'batch', 'batches')}, as asked",
        "seconds": f"Stopped after {duration(bounds.seconds or 0)}, as asked",
        "failed": "The run failed",
    }.get(drive.ended, f"The run was {drive.ended}")
    assert drive.stats is not None  # noqa: S101 - perform() asked
    if not balanced(drive.stats):
        return f"{why}; THE LEDGER DOES NOT BALANCE."
    if drive.stats.unclosed:
        return (
            f"{why}; BUT {counted(drive.stats.unclosed, 'PART', 'PARTS')} COULD NOT BE CLOSED: see the log."
        )
    if drive.ended == "empty":
        return f"{why}: {dropped(drive.stats) or 'nothing came in'}."
    whole = as_asked(drive) and drive.stats.finished
    told = "every sample is accounted for" if whole else "what was under way was let go"
    lacking = sum(stage.missing for stage in drive.stats.stages.values())
    if lacking:
        told += f"; {counted(lacking, 'sample', 'samples')} had missing data, filled"
    return f"{why}; {told}."


def dropped(stats: RunStats) -> str:
    """What was dropped in all stages, and why, most frequent first."""
    drops: Counter[str] = Counter()
    for stage in stats.stages.values():
        drops.update(stage.dropped)
    return f"dropped {drops.total():,} ({reasons(drops)})" if drops.total() else ""


def fill(sheet: Sheet, drive: Drive, drawing: Drawing) -> None:
    """The statistics, and beside them what was run."""
    if drive.stats is None:
        return
    sheet.content = {
        **drive.stats.as_json(),
        "verdict": as_json(verdict_on(drive)),
        "run": {
            "file": str(drawing.path),
            "pipeline": drawing.pipeline.function.__name__,
            "options": drawing.values(),
            "seed": drive.order.seed,
            "batches": drive.bounds.batches,
            "epochs": drive.order.epochs,
            "seconds": drive.bounds.seconds,
            "outputs": drive.batches,
            "ended": drive.ended,
            "error": None if drive.error is None else complain(drive.error, hint=False),
            "versions": versions(),
        },
    }
