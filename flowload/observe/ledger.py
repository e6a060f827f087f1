"""The ledger: nothing is lost, neither in a stage nor between two of them, and it shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flowload.errors import LedgerError
from flowload.observe.counting.metrics import Meter

__all__ = ["Passage", "check_ledger"]


class Passage(NamedTuple):
    """What went from one operator to the next in a finished run: samples, as each of them counted."""

    source: str
    target: str
    gave: int  #: as the source counted
    queued: int  #: as the queue between them counted; where they share a hop, there is none
    took: int  #: as the target counted
    waits: int = 0  #: in the queue still
    in_order: bool = True  #: the blocks came in the order of their numbers

    @property
    def wrong(self) -> str:
        """What does not add up, in words; empty where everything does."""
        if self.gave != self.queued or self.queued != self.took + self.waits:
            return (
                f"between {self.source} and {self.target}: {self.gave:,} given, {self.queued:,} queued, "
                f"{self.took:,} taken, {self.waits:,} waiting"
            )
        return "" if self.in_order else f"between {self.source} and {self.target}: blocks out of order"


def check_ledger(rows: Iterable[tuple[str, Meter]], passages: Iterable[Passage] = ()) -> None:
    """See that in = out + dropped + held for every operator of a finished run, and out = in of the next.

    Raises LedgerError with a line for each that does not balance.
    """
    wrong = [
        f"{name}: in {m.in_:,} is not out {m.out:,} + dropped {m.dropped.total():,} + held {m.held:,}"
        f" ({m.under_way:+,} unaccounted for)"
        for name, m in rows
        if m.under_way
    ]
    wrong += [passage.wrong for passage in passages if passage.wrong]
    if wrong:
        raise LedgerError("samples do not add up; " + "; ".join(wrong))
