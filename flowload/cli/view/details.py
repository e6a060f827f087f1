"""Everything that is known of a stage, as names and values."""

from __future__ import annotations

from collections.abc import Iterator

from flowload.graph.inspect.describe import Row
from flowload.observe.figures import count, duration, duration_of, rate, size
from flowload.observe.stats import EdgeStats, RunStats, StageStats
from flowload.printable import printable

from .ledger import reasons

__all__ = ["depth_of", "details_of"]


def details_of(row: Row, stage: StageStats, now: RunStats) -> Iterator[tuple[str, str]]:
    """Everything that is known of a stage, in printable words."""
    for name, value in details(row, stage, now):
        yield printable(name), printable(value)


def details(row: Row, stage: StageStats, now: RunStats) -> Iterator[tuple[str, str]]:
    """The same in whatever words there are."""
    yield from ((name, str(value)) for name, value in row["parameters"].items())
    yield (
        "in = out + dropped + held",
        " ".join([f"{stage.in_:,} = {stage.out:,} + {sum(stage.dropped.values()):,} + {stage.held:,}"]),
    )
    if stage.dropped:
        yield "dropped", reasons(stage.dropped)
    if stage.missing:
        yield "with missing data", count(stage.missing)
    yield "blocks in, out", f"{count(stage.blocks_in)}, {count(stage.blocks_out)}"
    yield "bytes in, out", f"{size(stage.bytes_in)}, {size(stage.bytes_out)}"
    yield "rate now, overall", f"{rate(stage.rate)}, {rate(stage.rate_overall)}"
    yield "workers busy", f"{stage.running} of {stage.workers}, {stage.executor} executor"
    times = [duration_of(seconds) for seconds in (stage.p50, stage.p95, stage.longest)]
    yield "call p50, p95, longest", ", ".join(times)
    yield "busy, CPU", f"{duration(stage.busy)}, {duration(stage.cpu)}"
    spent = [duration(seconds) for seconds in (stage.starved, stage.blocked, stage.waited)]
    yield "starved, blocked, waited for threads", ", ".join(spent)
    for edge in now.edges:
        if edge.target == stage.name:
            yield f"queue from {edge.source}", depth_of(edge)
    yield from ((name, f"{value:.4g}") for name, value in stage.gauges.items())
    yield "declared at", row["where"]


def depth_of(edge: EdgeStats) -> str:
    """A queue in words."""
    return f"{edge.blocks} of {edge.capacity}, mean {edge.mean:.2f}, p95 {edge.p95}"
