"""Memory of copies that are taken again and again: used again, and there before it is needed."""

from __future__ import annotations

import numpy as np
import pytest

from flowload.stages.chunks import copies as module
from flowload.stages.chunks.copies import Copies
from flowload.stages.chunks.reservoir_fold import Exchange
from tests.stages.fakes import FakeCall
from tests.stages.toy import toy_frames

ROWS = 50_000


def numbers(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    return np.arange(3 * rows, dtype=np.int32).reshape(rows, 3)


def warmed(copies: Copies, rows: int) -> int:
    """Calls until all is there."""
    calls = 0
    while copies.next is None or copies.there < 3 * rows:
        copies.warm(rows)
        calls += 1
    return calls


def test_a_copy_goes_to_memory_that_was_touched_piece_by_piece() -> None:
    copies = Copies(ROWS)
    assert warmed(copies, ROWS) == -(-3 * ROWS // module.PIECE)
    assert np.array_equal(copies.of(numbers(ROWS)), numbers(ROWS))
    assert copies.cold == 0


def test_what_nobody_warmed_is_counted() -> None:
    copies = Copies(ROWS)
    copies.warm(ROWS)
    kept = copies.of(numbers(ROWS))
    assert copies.cold == 4 * (3 * ROWS - module.PIECE)
    assert copies.of(numbers(10)).base is not kept.base


def test_memory_that_a_copy_has_left_is_used_again() -> None:
    copies = Copies(ROWS)
    warmed(copies, ROWS)
    first = copies.of(numbers(ROWS))
    second = copies.of(numbers(9))
    assert (second == numbers(9)).all()
    assert (first == numbers(ROWS)).all()
    where = first.ctypes.data
    del first
    copies.warm(ROWS)
    assert copies.next is not None
    assert copies.next.ctypes.data == where
    assert copies.there == 3 * ROWS  # nothing to touch


def test_more_rows_than_before_take_other_memory_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 0)
    copies = Copies(100)
    copies.warm(10)
    assert copies.next is not None
    assert len(copies.next) == 20
    copies.warm(80)
    assert len(copies.next) == 100
    assert copies.of(numbers(80)).tolist() == numbers(80).tolist()
    copies.clear()
    assert not copies.known


@pytest.mark.parametrize("pushes", [3, 7, 40])
def test_a_reservoir_has_the_memory_of_its_state_before_it_is_asked(pushes: int) -> None:
    fold, call = Exchange(60_000), FakeCall()
    for _ in range(pushes):
        for _ in fold.push(toy_frames(2000), call):
            pass
    assert len(fold.state()["origin"]) == min(60_000, 2000 * pushes)
    assert fold.copies.cold == 0
    fold.close()


def test_a_reservoir_that_is_never_saved_takes_no_memory_for_it() -> None:
    fold = Exchange(100, unsaved="a map before it")
    assert list(fold.push(toy_frames(10), FakeCall())) == []
    assert fold.copies.next is None
    fold.close()
