"""How a run fares when it does not simply go on, and what it has told of on its way."""

from __future__ import annotations

from heapq import nlargest

from flowload.observe.stats import Outcome, Warned
from flowload.printable import printable, text_of
from flowload.runtime.run import Run

__all__ = ["outcome_of", "warnings_of"]

KEPT = 20  #: warnings of a run, the last ones


def outcome_of(run: Run) -> Outcome | None:
    """Nothing delivered yet, failed, left, over; None: it goes on."""
    error = run.failure
    if error is not None:
        notes = [str(note) for note in getattr(error, "__notes__", ())]
        names = (name for name in run.compiled.nodes if any(f"in stage {name!r}," in note for note in notes))
        words = [f"{type(error).__name__}: {text_of(error)}", *notes]
        return Outcome("failed", stage=next(names, ""), text=printable("; ".join(words)))
    if run.ended:
        return Outcome("over" if run.finished else "left")
    if run.delivered.blocks:
        return None
    silent = (name for name, members in run.compiled.nodes.items() if not members[-1].meter.blocks_out)
    return Outcome("empty", stage=next(silent, ""))


def warnings_of(run: Run) -> tuple[Warned, ...]:
    """The last things that were skipped or filled, each source once, oldest first."""
    found = [
        (notice, member.node) for member in run.compiled.members for notice in tuple(member.notices.last)
    ]
    last = nlargest(KEPT, found, key=lambda each: each[0].at)
    return tuple(
        Warned(notice.at - run.began, node, printable(notice.source), printable(notice.what))
        for notice, node in reversed(last)
    )
