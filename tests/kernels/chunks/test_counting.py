from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.blocks import ORIGIN
from flowload.kernels.chunks.counting import count_each, renumber

columns = st.lists(st.integers(0, 7), max_size=30)


def column_of(values: list[int], *, strided: bool) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """A column of its own, or one of a table."""
    if not strided:
        return np.array(values, np.int32)
    table = np.full(len(values), 99, ORIGIN)
    table["chunk"] = values
    return table["chunk"]


@given(values=columns, strided=st.booleans())
def test_counts_are_added_to_those_that_are_there(values: list[int], strided: bool) -> None:
    times = np.arange(8, dtype=np.int64)
    assert count_each(column_of(values, strided=strided), times) == -1
    counted = Counter(values)
    assert times.tolist() == [k + counted[k] for k in range(8)]


@pytest.mark.parametrize("wrong", [-1, 3, -(2**31), 2**31 - 1])
def test_what_has_no_place_is_not_written_anywhere(wrong: int) -> None:
    memory = np.zeros(9, np.int64)
    assert count_each(np.array([0, 2, wrong, 1], np.int32), memory[3:6]) == 2
    assert memory.tolist() == [0, 0, 0, 1, 0, 1, 0, 0, 0]


@given(values=columns, strided=st.booleans(), seed=st.integers(0, 9))
def test_each_number_becomes_another_also_in_its_place(values: list[int], strided: bool, seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(-9, 9, 8).astype(np.int32)
    column = column_of(values, strided=strided)
    out = np.empty(len(values), np.int32)
    renumber(column, numbers, out)
    renumber(column, numbers, column)
    assert out.tolist() == column.tolist() == [int(numbers[k]) for k in values]
