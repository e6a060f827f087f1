"""Books that do not balance are named, each with its numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import LedgerError
from flowload.observe.counting.metrics import Meter
from flowload.observe.ledger import check_ledger


def meter(in_: int, out: int, held: int = 0, **dropped: int) -> Meter:
    made = Meter(in_=in_, out=out, held=held)
    made.dropped.update(dropped)
    return made


def test_balanced_books() -> None:
    check_ledger([])
    check_ledger([("a", meter(0, 0)), ("b", meter(10, 5, 2, short=1, bad=2))])


def test_every_operator_that_does_not_balance_is_named() -> None:
    rows = [
        ("read", meter(1_000_000, 999_000, 0, bad=900)),
        ("pool", meter(5, 5)),
        ("batch.1", meter(5, 7, 1)),
    ]
    with pytest.raises(LedgerError) as caught:
        check_ledger(rows)
    assert str(caught.value) == (
        "samples do not add up; "
        "read: in 1,000,000 is not out 999,000 + dropped 900 + held 0 (+100 unaccounted for); "
        "batch.1: in 5 is not out 7 + dropped 0 + held 1 (-3 unaccounted for)"
    )


counts = st.integers(0, 10**12)


@given(counts, counts, st.dictionaries(st.text(min_size=1), counts), st.integers(-5, 5))
def test_one_sample_is_enough(out: int, held: int, dropped: dict[str, int], error: int) -> None:
    made = Meter(in_=out + held + sum(dropped.values()) + error, out=out, held=held)
    made.dropped.update(dropped)
    if error:
        with pytest.raises(LedgerError):
            check_ledger([("stage", made)])
    else:
        check_ledger([("stage", made)])
