"""An operator's counters in a state, so that the ledger of a run that goes on says what was before, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from flowload.observe.counting.metrics import Meter
from flowload.runtime.tasks.call import Member

__all__ = ["Counts", "count", "counts_of", "recount"]

#: Counters of a meter, in the order of states; behind them comes what was dropped, by reason.
COUNTED = ["in_", "taken", "out", "held", "blocks_in", "blocks_out", "bytes_out", "skipped", "missing"]

Counts: TypeAlias = tuple[int | dict[str, int] | None, ...]

_counted = attrgetter(*COUNTED)


def count(meter: Meter) -> Counts:
    """A meter's counters; half a microsecond."""
    return (*_counted(meter), dict(meter.dropped) if meter.dropped else None)


def counts_of(members: Iterable[Member]) -> list[Counts]:
    """Those of several operators."""
    return [count(member.meter) for member in members]


def recount(members: Sequence[Member], counts: Sequence[Sequence[Any]]) -> None:
    """Let meters go on from there."""
    for member, (*numbers, dropped) in zip(members, counts, strict=True):
        for name, number in zip(COUNTED, numbers, strict=True):
            setattr(member.meter, name, number)
        member.meter.dropped = Counter(dropped or {})
