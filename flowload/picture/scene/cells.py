"""What each row of the table says at one moment."""

from __future__ import annotations

from typing import TypedDict

from flowload.observe.figures import count, duration_of, rate, share
from flowload.observe.stats import RunStats, StageStats
from flowload.observe.verdict import Verdict

from .rails import Rails, Row
from .spell import Spell, Time

__all__ = ["Cell", "cells_of"]

#: What a row that is to blame says, where the run does not simply go on.
NOTES = {"empty": "nothing came through yet", "failed": "failed here"}


class Cell(TypedDict):
    """A row at one moment."""

    rate: float  #: samples/s
    out: str  #: the same, as it is shown
    time: list[float]  #: see `Time`
    late: str  #: what workers wait for: "lock" or "CPU"
    run: str  #: calls that run, of those that may
    lost: str  #: samples dropped
    note: str  #: below the name
    queue: str  #: blocks that wait for it, of those that fit, by input
    full: float  #: how full these queues are; -1: it has none
    mark: str  #: "limit", "next", "later" (behind a consumer that limits), "pace", or nothing
    speaks: str  #: everything, for ears


def cells_of(rails: Rails, spell: Spell, verdict: Verdict | None) -> list[Cell]:
    """A cell for each row."""
    edges = {(edge.source, edge.target): edge for edge in spell.now.edges}
    cells = []
    for number, row in enumerate(rails.rows):
        into = [edges.get((link.source, link.target)) for link in rails.links if link.below == number]
        queues = [edge for edge in into if edge is not None]
        room = sum(edge.capacity for edge in queues)
        cell = consumer_cell(row, spell) if row.output else stage_cell(rails, number, spell)
        cell["queue"] = " + ".join(f"{edge.blocks}/{edge.capacity}" for edge in queues)
        cell["full"] = round(sum(edge.blocks for edge in queues) / room, 3) if room else -1.0
        mark_cell(cell, row, spell.now, verdict)
        cell["speaks"] = spoken(row, cell)
        cells.append(cell)
    return cells


def blank(per_second: float, time: Time) -> Cell:
    """What stages and consumers have in common."""
    return Cell(
        rate=round(per_second, 4),
        out=rate(per_second),
        time=[round(part, 4) for part in time],
        late="CPU",
        run="",
        lost="",
        note="",
        queue="",
        full=-1.0,
        mark="",
        speaks="",
    )


def stage_cell(rails: Rails, number: int, spell: Spell) -> Cell:
    """The row of a stage."""
    name = rails.rows[number].name
    stage = spell.now.stages[name]
    cell = blank(spell.rate_of(name), spell.time_of(name))
    cell["late"] = spell.late_word(name)
    cell["run"] = f"{stage.running}/{stage.workers}"
    cell["lost"] = count(sum(stage.dropped.values()))
    cell["note"] = ports_of(rails, number, spell) or called(stage)
    return cell


def called(stage: StageStats) -> str:
    """How long its calls take."""
    return f"p95 {duration_of(stage.p95)}" if stage.calls else "no call is over yet"


def ports_of(rails: Rails, number: int, spell: Spell) -> str:
    """What went to each port, where a stage has several: samples/s, in the unit of the queue."""
    leads = [link for link in rails.links if link.above == number and link.port]
    if len(leads) < 2:
        return ""
    told = []
    for link in leads:
        totals = [
            sum(e.samples for e in stats.edges if (e.source, e.target) == (link.source, link.target))
            for stats in (spell.now, spell.before)
            if stats is not None
        ]
        grown = totals[0] - (totals[1] if len(totals) > 1 else 0)
        told.append(f"{link.port} {rate(max(0.0, grown / spell.seconds))}")
    return ", ".join(told)


def consumer_cell(row: Row, spell: Spell) -> Cell:
    """The row of whoever takes batches."""
    waits = spell.waits(row.output)
    cell = blank(spell.taken(row.output), Time(1.0 - waits, 0.0, 0.0, 0.0, waits, 0.0))
    cell["note"] = "takes the batches"
    return cell


def mark_cell(cell: Cell, row: Row, now: RunStats, verdict: Verdict | None) -> None:
    """Say whether it limits, now or next, or is to blame for a run that does not go on."""
    if now.outcome is not None and now.outcome.kind in ("empty", "stalled", "failed"):
        if now.outcome.stage == row.name:
            cell["mark"] = "limit"
            stalled = f"in one call for {now.outcome.seconds:.0f} s"
            cell["note"] = NOTES.get(now.outcome.kind, stalled)
        return
    if verdict is None or verdict.short:
        return
    if row.output:
        if verdict.limit.kind == "consumer":
            cell["mark"], cell["note"] = "pace", "sets the pace"
    elif verdict.limit.who == row.name:
        cell["mark"], cell["note"] = "limit", f"limits, {share(verdict.limit.used)} used"
    elif verdict.then.who == row.name:
        cell["mark"] = "later" if verdict.limit.kind == "consumer" else "next"
        cell["note"] = "next limit"


def spoken(row: Row, cell: Cell) -> str:
    """A row in one sentence, for ears."""
    work, disk, late, room, hot, idle = cell["time"]
    told = [f"{row.label}{', limits the run' if cell['mark'] == 'limit' else ''}: {cell['out']}"]
    if row.output:
        told.append(f"waits {share(hot)}")
    else:
        told += [f"busy {share(work + disk)}", f"no input {share(idle)}", f"no room {share(room)}"]
        told.append(f"{cell['late']} {share(late)}")
    if cell["queue"]:
        told.append(f"queue {cell['queue']}")
    if cell["lost"] not in ("", "0"):
        told.append(f"{cell['lost']} dropped")
    return ", ".join(told)
