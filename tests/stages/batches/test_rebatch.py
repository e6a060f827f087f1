from __future__ import annotations

import logging
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.powers import Resumable
from flowload.blocks import Batch, Rows
from flowload.errors import DataError
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.rebatch import Cut, Rebatch
from flowload.stages.rows.reopened_tables import ReopenedTables
from tests.stages.cutting import SIZES, arrays_of, batches_of, cut, frames_of
from tests.stages.fakes import FakeCall
from tests.stages.toy import toy_frames
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of
from tests.states import through_json, to_values


def test_arrays_of_different_lengths_are_not_cut_apart() -> None:
    block = Batch({"x": np.zeros((10, 3)), "y": np.zeros(5)})
    with pytest.raises(DataError, match=r"block 0: unequal lengths; found x \[10\], y \[5\]; wanted one row"):
        batches_of([block], 4, FakeCall())


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("kind", ["frames", "arrays"])
def test_held_is_what_waits_and_nothing_behind_the_end(kind: str, drop_last: bool) -> None:
    blocks = frames_of([3, 4, 9, 2]) if kind == "frames" else arrays_of([3, 4, 9, 2])
    fold, call, came, held = Rebatch(Cut(size=8, drop_last=drop_last)), FakeCall(), 0, []
    for block in blocks:
        came += len(block)
        made = [sum(map(len, pieces.parts)) for pieces in fold.push(block, call)]
        came -= sum(made)
        held.append(fold.held)
        assert fold.held == came == sum(map(len, fold.parts))
    assert held == [3, 7, 0, 2]
    assert [len(pieces) for pieces in fold.flush(call)] == ([] if drop_last else [2])
    assert call.drops == ({"partial batch": 2} if drop_last else {})
    assert (fold.held, fold.parts) == (0, [])
    assert list(fold.flush(call)) == []
    assert [len(pieces) for pieces in fold.push(blocks[2], call)] == [8]
    assert fold.held == 1


def test_a_fold_that_is_restored_forgets_what_it_held() -> None:
    fold, call = Rebatch(Cut(size=8)), FakeCall()
    empty = through_json(fold.state())
    list(fold.push(arrays_of([5])[0], call))
    fold.restore(empty)
    assert (fold.held, fold.parts, fold.late) == (0, [], [])


def test_no_batch_at_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="flowload"):
        assert not batches_of(frames_of([3]), 8, FakeCall(), drop_last=True)
    assert "3 samples are too few for size=8" in caplog.text
    caplog.clear()
    assert len(batches_of(frames_of([11]), 8, FakeCall(), drop_last=True)) == 1
    assert not caplog.records


@pytest.mark.parametrize("kind", ["frames", "arrays"])
@given(sizes=SIZES, size=st.integers(1, 20), at=st.integers(0, 8))
def test_it_goes_on_from_its_state_and_its_records(kind: str, sizes: list[int], size: int, at: int) -> None:
    blocks = frames_of(sizes) if kind == "frames" else arrays_of(sizes)
    call, one, other = FakeCall(), cut(size), cut(size)
    for block in blocks[:at]:
        list(one.push(block, call))
    other.restore(through_json(one.state()))
    assert other.held == one.held
    assert to_values(other.state()) == to_values(one.state())
    assert isinstance(other, Resumable)
    _, sources, origin = other.references()
    if len(origin):
        rows = [toy_frames(1, first=r, tag=c, chunk=c).data for _, c, r in origin.tolist()]
        assert [sources[s].name for s, _, _ in origin.tolist()] == [f"{c}.toy" for _, c, _ in origin.tolist()]
        other.refill(replace(toy_frames(0), data=np.concatenate(rows), origin=origin), np.arange(len(origin)))
    encode = Collate(None, None)
    left, right = (
        [encode.batch(piece.parts, call) for block in blocks[at:] for piece in fold.push(block, call)]
        + [encode.batch(piece.parts, call) for piece in fold.flush(call)]
        for fold in (one, other)
    )
    for a, b in zip(left, right, strict=True):
        assert isinstance(a, Batch)
        assert isinstance(b, Batch)
        for key in a.arrays:
            np.testing.assert_array_equal(a.arrays[key], b.arrays[key])
            assert a.arrays[key].dtype == b.arrays[key].dtype


def test_rows_wait_by_reference_and_know_their_table() -> None:
    near, far = ToyRecords(4), ToyRecords(9)
    fold, again = (Rebatch(Cut(size=20), ReopenedTables([near, far])) for _ in range(2))
    for block in (*blocks_of([4], near), *blocks_of([2, 7], far), *blocks_of([1], near)):
        assert not list(fold.push(block, FakeCall()))
    again.restore(through_json(fold.state()))
    assert (again.held, again.state()) == (14, fold.state())
    for each in (fold, again):
        assert not list(each.push(blocks_of([5], far)[0], FakeCall()))
    for each in (fold, again):
        (piece,) = each.flush(FakeCall())
        assert list(numbers_of(piece.parts)) == [*range(4), *range(9), 0, *range(5)]
        origins = [part.origin for part in piece.parts if isinstance(part, Rows)]
        assert [origin for origin, _ in groupby(origins)] == [near, far, near, far]
    again.close()
