"""What the live table shows: one row a stage, made from two snapshots of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from flowload.observe.figures import align, count, counted, duration, rate, share, size
from flowload.observe.progress import filling
from flowload.observe.progress import progress as estimate
from flowload.observe.stats import HEAD, SIDES, RunStats, busy, rows, what_came

__all__ = ["HEAD", "SIDES", "ahead", "plain_table", "progress", "rows", "summary", "table"]


def summary(now: RunStats, outputs: Mapping[str, int], warm: RunStats | None = None) -> Iterator[str]:
    """The lines beneath the table: what consumers got, and how fast."""
    overall = now.delivered / now.elapsed if now.elapsed > 0 else 0.0
    yield f"{what_came(now)} in {duration(now.elapsed)}: {rate(overall)}{ahead(now, warm)}"
    if len(outputs) > 1:
        yield ", ".join(f"{name} {count(batches)}" for name, batches in outputs.items()) + " batches"
    if now.network.requests:
        yield network(now)


def network(now: RunStats) -> str:
    """What came from object stores."""
    came = now.network
    failed = f", {count(came.failures)} failed" if came.failures else ""
    waited = share(min(1.0, came.waiting / now.elapsed)) if now.elapsed > 0 else "0 %"
    asked = counted(came.requests, "request", "requests")
    return f"network: {size(came.bytes)} in {asked}{failed}; stages waited for it {waited} of the time"


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
        told = filling(now)
        return f"; {told}" if told else ""
    made = estimate(now, warm)
    if made is None or now.finished:
        return ""
    return f"; {share(made.done)} done, {duration(made.left)} left"


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
