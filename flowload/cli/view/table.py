"""What the live table shows: one row a stage, made from two snapshots of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from flowload.observe.progress import progress as estimate
from flowload.observe.stats import RunStats, StageStats
from flowload.printable import printable

from .figures import count, counted, duration, rate, share
from .lines import align

__all__ = ["HEAD", "SIDES", "ahead", "plain_table", "progress", "rows", "summary", "table"]

HEAD = ("stage", "in", "out", "rate", "busy", "queue", "dropped")
SIDES = "<>>>>>>"


def rows(now: RunStats, before: RunStats | None = None) -> list[tuple[str, ...]]:
    """Cells of every stage; rates and busy time since `before`, or of the whole run without it."""
    return [cells(stage, now, before) for stage in now.stages.values()]


def cells(stage: StageStats, now: RunStats, before: RunStats | None) -> tuple[str, ...]:
    """One row; the columns are `HEAD`."""
    overall = stage.out / now.elapsed if now.elapsed > 0 else 0.0
    return (
        printable(stage.name),
        count(stage.in_),
        count(stage.out),
        rate(overall if before is None else stage.rate),
        share(busy(stage, now, before)),
        queue(stage.name, now),
        count(sum(stage.dropped.values())),
    )


def busy(stage: StageStats, now: RunStats, before: RunStats | None) -> float:
    """Share of the time in which a worker of this stage worked: 1 when all of them always did."""
    past = None if before is None else before.stages.get(stage.name)
    worked = stage.busy - (past.busy if past else 0.0)
    passed = now.elapsed - (before.elapsed if before and past else 0.0)
    # Work is counted when a call ends: a long one may seem more than a moment could hold.
    return min(1.0, worked / (passed * max(1, stage.workers))) if passed > 0 else 0.0


def queue(stage: str, now: RunStats) -> str:
    """Blocks that wait for this stage, of how many fit; a stage fused to the one before has no queue."""
    edges = [edge for edge in now.edges if edge.target == stage]
    return f"{sum(e.blocks for e in edges)}/{sum(e.capacity for e in edges)}" if edges else "-"


def summary(now: RunStats, outputs: Mapping[str, int], warm: RunStats | None = None) -> Iterator[str]:
    """The lines beneath the table: what consumers got, and how fast."""
    overall = now.delivered / now.elapsed if now.elapsed > 0 else 0.0
    yield f"{what_came(now)} in {duration(now.elapsed)}: {rate(overall)}{ahead(now, warm)}"
    if len(outputs) > 1:
        yield ", ".join(f"{name} {count(batches)}" for name, batches in outputs.items()) + " batches"


def progress(now: RunStats, before: RunStats | None, warm: RunStats | None = None) -> str:
    """The whole run in one line, for logs."""
    passed = now.elapsed - (before.elapsed if before else 0.0)
    lately = (now.delivered - (before.delivered if before else 0)) / passed if passed > 0 else 0.0
    hot = max(now.stages.values(), key=lambda stage: busy(stage, now, before), default=None)
    busiest = "" if hot is None else f"; busiest: {hot.name} {share(busy(hot, now, before))}"
    dropped = sum(sum(stage.dropped.values()) for stage in now.stages.values())
    lost = f"; dropped {count(dropped)}" if dropped else ""
    return f"{duration(now.elapsed):>8}  {what_came(now)}, {rate(lately)}{lost}{busiest}{ahead(now, warm)}"


def ahead(now: RunStats, warm: RunStats | None = None) -> str:
    """How far it is and how long it will take, where the end is known; before the first batch, what fills."""
    if not now.delivered:
        return filling(now)
    made = estimate(now, warm)
    if made is None or now.finished:
        return ""
    return f"; {share(made.done)} done, {duration(made.left)} left"


def filling(now: RunStats) -> str:
    """What has to be done before the first batch, and how far it is."""
    indexed = [(s.name, int(s.gauges.get("files_indexed", 0))) for s in now.stages.values()]
    fills = [
        (s.name, value)
        for s in now.stages.values()
        for key, value in s.gauges.items()
        if key.endswith("_fill")
    ]
    told = [f"{name}: {counted(files, 'file', 'files')} indexed" for name, files in indexed if files]
    told += [f"{name} {share(value)} full" for name, value in fills if value < 1]
    return f"; {', '.join(told)}" if told and not now.finished else ""


def what_came(now: RunStats) -> str:
    """What consumers got so far."""
    batches = counted(now.blocks_delivered, "batch", "batches")
    return f"{batches}, {counted(now.delivered, 'sample', 'samples')}"


def table(now: RunStats, before: RunStats | None = None) -> Table:
    """The table for a terminal."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, side in zip(HEAD, SIDES, strict=True):
        made.add_column(title, justify="left" if side == "<" else "right", no_wrap=True)
    for stage, row in zip(now.stages.values(), rows(now, before), strict=True):
        hot = busy(stage, now, before) > 0.9
        lost = bool(sum(stage.dropped.values()))
        # Text, not markup: a name may hold brackets.
        made.add_row(
            *(
                Text(cell, style=style(title, hot=hot, lost=lost))
                for title, cell in zip(HEAD, row, strict=True)
            )
        )
    return made


def style(title: str, *, hot: bool, lost: bool) -> str:
    """What is worth a look stands out: a stage at its limit, samples that were dropped."""
    marks = {"stage": "cyan", "busy": "bold red" if hot else "", "dropped": "yellow" if lost else "dim"}
    return marks.get(title, "")


def plain_table(now: RunStats) -> list[str]:
    """The table as text, over the whole run."""
    return align([HEAD, *rows(now)], SIDES)
