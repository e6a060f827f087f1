from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.blocks import Batch
from flowload.errors import DataError, GraphError
from tests.stages.cutting import SIZES, arrays_of, batches_of, frames_of
from tests.stages.fakes import FakeCall
from tests.stages.toy import NARROW, TOY, ToyFormat, toy_frames


@given(sizes=SIZES, size=st.integers(1, 20), drop_last=st.booleans())
def test_every_record_is_in_its_place(sizes: list[int], size: int, drop_last: bool) -> None:
    call = FakeCall()
    made = batches_of(frames_of(sizes), size, call, drop_last=drop_last)
    expected = [[i, i, record] for i, count in enumerate(sizes) for record in range(count)]
    whole = len(expected) // size * size
    if drop_last:
        assert call.drops["partial batch"] == len(expected) - whole
        expected = expected[:whole]
    assert [row for each in made for row in each.arrays["triple"].tolist()] == expected
    assert all(len(each) == size for each in made[: whole // size])
    for each in made:
        assert all(array.ctypes.data % 64 == 0 for array in each.arrays.values())
        assert all(len(array) == len(each) for array in each.arrays.values())
    assert len(call.leases) == len(made)


@given(sizes=SIZES, size=st.integers(1, 20))
def test_arrays_are_cut_again(sizes: list[int], size: int) -> None:
    made = batches_of(arrays_of(sizes), size, FakeCall())
    total = sum(sizes)
    assert [row for each in made for row in each.arrays["y"].tolist()] == list(range(total))
    assert [row for each in made for row in each.arrays["x"].tolist()] == [[i, i + 0.5] for i in range(total)]
    assert [len(each) for each in made] == [size] * (total // size) + [total % size] * (total % size > 0)
    assert all(each.arrays["x"].dtype == np.float32 for each in made)


def test_a_whole_batch_of_arrays_goes_on_as_it_is() -> None:
    (block,) = arrays_of([8])
    call = FakeCall()
    (made,) = batches_of([block], 8, call)
    assert made.arrays["x"] is block.arrays["x"]
    assert not call.leases


def test_layouts_go_by_name() -> None:
    (made,) = batches_of(frames_of([3]), 3, FakeCall(), layout="only")
    assert made.arrays.keys() == {"record"}
    with pytest.raises(GraphError, match="toy has no layout 'bits'; it has 'triple', 'only'"):
        batches_of(frames_of([3]), 3, FakeCall(), layout="bits")


def test_record_sizes_may_mix() -> None:
    blocks = [toy_frames(2), toy_frames(2, stride=NARROW), toy_frames(1)]
    (made,) = batches_of(blocks, 5, FakeCall())
    assert made.arrays["version"].tolist() == [21, 21, 13, 13, 21]


def test_unlike_samples_do_not_go_together() -> None:
    other = ToyFormat(name="other", layouts={"triple": TOY.layouts["only"]})
    blocks = [toy_frames(2), replace(toy_frames(2, tag=7), format=other)]
    with pytest.raises(
        DataError, match=r"7\.toy: unlike samples; found record int64\[\]; wanted triple int32\[3\]"
    ):
        batches_of(blocks, 4, FakeCall())
    arrays = [Batch({"x": np.zeros(2)}), Batch({"x": np.zeros((2, 3))})]
    with pytest.raises(DataError, match="unlike samples"):
        batches_of(arrays, 4, FakeCall())
