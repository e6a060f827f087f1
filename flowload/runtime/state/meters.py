"""An operator's counters in a state, so that the ledger of a run that goes on says what was before, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from flowload.observe.metrics import Meter
from flowload.runtime.tasks.call import Member

__all__ = ["Counts", "count", "counts_of", "recount"]

Counts: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, dict[str, int] | None]


def count(meter: Meter) -> Counts:
    """A meter's counters; half a microsecond."""
    dropped = dict(meter.dropped) if meter.dropped else None
    return (
        meter.in_,
        meter.taken,
        meter.out,
        meter.held,
        meter.blocks_in,
        meter.blocks_out,
        meter.bytes_out,
        meter.skipped,
        meter.missing,
        dropped,
    )


def counts_of(members: Iterable[Member]) -> list[Counts]:
    """Those of several operators."""
    return [count(member.meter) for member in members]


def recount(members: Sequence[Member], counts: Sequence[Sequence[Any]]) -> None:
    """Let meters go on from there."""
    for member, saved in zip(members, counts, strict=True):
        meter = member.meter
        (
            meter.in_,
            meter.taken,
            meter.out,
            meter.held,
            meter.blocks_in,
            meter.blocks_out,
            meter.bytes_out,
            meter.skipped,
            meter.missing,
            dropped,
        ) = saved
        meter.dropped = Counter(dropped or {})
