"""The ledger: nothing is lost, and it shows."""

from __future__ import annotations

from collections.abc import Iterable

from flowload.errors import LedgerError

from .metrics import Meter

__all__ = ["check_ledger"]


def check_ledger(rows: Iterable[tuple[str, Meter]]) -> None:
    """See that in = out + dropped + held for every operator of a finished run.

    Raises LedgerError with a line for each that does not balance.
    """
    wrong = [
        f"{name}: in {m.in_:,} is not out {m.out:,} + dropped {m.dropped.total():,} + held {m.held:,}"
        f" ({m.under_way:+,} unaccounted for)"
        for name, m in rows
        if m.under_way
    ]
    if wrong:
        raise LedgerError("samples do not add up; " + "; ".join(wrong))
