"""A run at one moment as it is shown: plain values that a page, a picture, a terminal and a file share.

`Moment` is all that a drawing knows of a run; whoever draws it neither asks the run nor reckons. Numbers that
are totals in the statistics are differences here: over the last 2 s, or 6 s where hardly anything came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from flowload.observe.figures import clock, count, counted, rate, share
from flowload.observe.progress import progress
from flowload.observe.stats import RunStats
from flowload.observe.verdict import Verdict

from .cells import Cell, cells_of
from .panel import Section, run_panel, stage_panel
from .rails import Rails
from .saying import Gain, Saying, band_of, gain_of, saying_of
from .spell import Spell

__all__ = ["Moment", "Top", "moment_of"]


class Top(TypedDict):
    """The line above everything."""

    clock: str
    samples: str
    done: float  #: 0 to 1; -1: no end is known
    left: str  #: how far, and how long it will take
    tab: str  #: the page's title
    warned: int


class Moment(TypedDict):
    """A run at one moment."""

    at: float  #: seconds since the run started
    cells: list[Cell]  #: a row each
    queues: list[list[int]]  #: of each link: blocks that wait, and that fit; 0, 0: both ends share a hop
    band: str  #: who limits, for the strip above the axis
    hot: bool  #: the strip is in the colour of limits
    say: Saying
    gain: list[Gain]
    top: Top
    foot: str  #: the ledger in one line
    warnings: list[tuple[float, str, str, str]]  #: when, stage, what, source
    panel: list[Section]  #: of the whole run
    stages: list[list[Section]]  #: of each row


def moment_of(rails: Rails, now: RunStats, past: Sequence[RunStats], verdict: Verdict | None) -> Moment:
    """The run now.

    Args:
        rails: the graph.
        now: its statistics.
        past: earlier statistics of the same run, oldest first; none: since the start.
        verdict: on the last 15 s.
    """
    spell = Spell(now, past)
    cells = cells_of(rails, spell, verdict)
    say = saying_of(rails, spell, cells, verdict)
    told, hot = band_of(rails, spell, verdict)
    return Moment(
        at=round(now.elapsed, 3),
        cells=cells,
        queues=queues_of(rails, now),
        band=told,
        hot=hot,
        say=say,
        gain=gain_of(verdict) if say["state"] in ("", "over", "left") else [],
        top=top_of(rails, now, past, say),
        foot=books_line(now),
        warnings=[(round(w.at, 3), w.stage, w.what, w.source) for w in now.warnings],
        panel=run_panel(rails, spell),
        stages=[stage_panel(row, spell, cell) for row, cell in zip(rails.rows, cells, strict=True)],
    )


def queues_of(rails: Rails, now: RunStats) -> list[list[int]]:
    """Blocks that wait on each link, and that fit."""
    edges = {(edge.source, edge.target): edge for edge in now.edges}
    found = [edges.get((link.source, link.target)) for link in rails.links]
    return [[0, 0] if edge is None else [edge.blocks, edge.capacity] for edge in found]


def top_of(rails: Rails, now: RunStats, past: Sequence[RunStats], say: Saying) -> Top:
    """Time, samples, and how far it is."""
    warm = next((each for each in past if each.delivered), None)
    made = progress(now, warm)
    words = []
    if made is not None:
        words.append(share(made.done))
    epochs = [int(s.gauges["passes_done"]) for s in now.stages.values() if "passes_done" in s.gauges]
    if now.epochs is not None and epochs and not now.finished and now.epochs > 1:
        words.append(f"epoch {min(now.epochs, min(epochs) - now.first_epoch + 1)} of {now.epochs}")
    kind = say["state"]
    if kind in ("failed", "over", "stalled", "left"):
        words.append(kind)
    elif made is not None and now.delivered:
        words.append(f"{clock(made.left)} left")
    return Top(
        clock=clock(now.elapsed),
        samples=counted(now.delivered, "sample", "samples"),
        done=-1.0 if made is None else round(made.done, 4),
        left=", ".join(words),
        tab=f"{say['tab']}: {rails.title}" if rails.title else say["tab"],
        warned=now.warned,
    )


def books_line(now: RunStats) -> str:
    """The ledger in one line, for the foot of a picture."""
    lost = sum(sum(stage.dropped.values()) for stage in now.stages.values())
    wrong = [s.name for s in now.stages.values() if s.in_ - s.out - sum(s.dropped.values()) - s.held]
    told = "every stage balances: in = out + dropped + held"
    if wrong:
        told = f"{counted(len(wrong), 'stage', 'stages')} with samples under way"
        if now.finished:
            told = f"THE LEDGER DOES NOT BALANCE: {', '.join(wrong)}"
    came = f"{counted(now.delivered, 'sample', 'samples')} in {clock(now.elapsed)}"
    pace = rate(now.delivered / now.elapsed if now.elapsed > 0 else 0.0)
    return f"{came}, {pace}; {count(lost)} dropped; {told}."
