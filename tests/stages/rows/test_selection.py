"""Row numbers by reference are the numbers that they stand for, however they are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.records import WRITTEN, Picks
from flowload.kernels.rows.bijection import ROUNDS, write_rows
from flowload.stages.rows.selection import PermutedRows, RowList, RowRange, joined, narrow, picks_from_state
from tests.states import through_json

SPANS = st.builds(RowRange, st.integers(0, 50), st.integers(0, 90), st.integers(1, 7))
LISTS = st.lists(st.integers(0, 2**40), max_size=30).map(
    lambda found: RowList(narrow(np.array(found, np.int64)))
)
KEYS = st.integers(0, 2**32).map(
    lambda seed: np.random.default_rng(seed).integers(0, 2**32, ROUNDS, np.uint64)
)


@st.composite
def permuted(draw: st.DrawFn) -> PermutedRows:
    base = draw((SPANS | LISTS).filter(len))
    n = len(base)
    start = draw(st.integers(0, n))
    return PermutedRows(
        base, draw(KEYS), RowRange(start, draw(st.integers(start, n)), draw(st.integers(1, 3)))
    )


PICKS: st.SearchStrategy[Picks] = st.one_of(SPANS, LISTS, permuted())


@st.composite
def choices(draw: st.DrawFn, size: int) -> Any:
    kind = draw(st.sampled_from(["slice", "array", "mask"]))
    if kind == "slice":
        bound = st.none() | st.integers(-size - 3, size + 3)
        return slice(draw(bound), draw(bound), draw(st.none() | st.sampled_from([1, 2, 5, -1, -2])))
    if kind == "mask":
        return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    return np.array(draw(st.lists(st.integers(0, size - 1), max_size=9)) if size else [], np.int64)


@pytest.mark.slow
@given(PICKS, st.data())
def test_what_is_selected_is_what_numpy_selects(picks: Picks, data: st.DataObject) -> None:
    numbers = picks.array()
    assert numbers.dtype == np.int64
    assert len(picks) == len(numbers)
    for _ in range(3):
        which = data.draw(choices(len(numbers)))
        picks, numbers = picks.select(which), numbers[which]
        np.testing.assert_array_equal(picks.array(), numbers)
        assert len(picks) == len(numbers)


@given(PICKS, st.data())
def test_at_places(picks: Picks, data: st.DataObject) -> None:
    last = len(picks) - 1
    places = np.array(data.draw(st.lists(st.integers(0, last), max_size=9)) if last >= 0 else [], np.int64)
    found = picks.at(places)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, picks.array()[places])


@given(PICKS)
def test_what_a_kernel_writes_are_the_numbers(picks: Picks) -> None:
    rows, order = picks.lazy()
    write_rows(rows, order)
    np.testing.assert_array_equal(rows, picks.array())


def test_an_order_of_all_rows_is_left_to_the_kernel() -> None:
    keys = np.arange(ROUNDS, dtype=np.uint64)
    assert len(PermutedRows(RowRange(0, 99), keys, RowRange(3, 50)).lazy()[1][-1]) == ROUNDS
    for base in (RowRange(1, 99), RowRange(0, 99, 2), RowList(np.arange(99))):
        assert PermutedRows(base, keys, RowRange(3, 50)).lazy()[1] is WRITTEN


@given(PICKS)
def test_a_state_is_json_and_gives_the_same(picks: Picks) -> None:
    again = picks_from_state(through_json(picks.state()))
    assert type(again) is type(picks)
    np.testing.assert_array_equal(again.array(), picks.array())


@pytest.mark.slow
@given(st.lists(PICKS, max_size=6))
def test_joined_is_one_behind_the_other(parts: list[Picks]) -> None:
    wanted = np.concatenate([np.empty(0, np.int64), *(part.array() for part in parts)])
    np.testing.assert_array_equal(joined(parts).array(), wanted)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=9))
def test_neighbouring_ranges_stay_a_range(sizes: list[int]) -> None:
    ends = np.cumsum([5, *sizes]).tolist()
    assert joined([RowRange(a, b) for a, b in pairwise(ends)]) == RowRange(5, ends[-1])


def test_what_they_keep_alive() -> None:
    numbers = np.arange(1000)[::-1]
    assert RowRange(0, 10**12).nbytes < 100
    assert RowList(numbers).nbytes == 8000
    assert joined([RowList(numbers), RowList(numbers)]).nbytes == 8000  # 4 bytes each
    assert joined([RowList(numbers), RowRange(2**31 - 1, 2**31 + 1)]).nbytes == 8 * 1002
    assert PermutedRows(RowRange(0, 10**12), np.zeros(ROUNDS, np.uint64), RowRange(0, 10**12)).nbytes < 100


@pytest.mark.parametrize("numbers", [[], [2**31 - 1], [2**31], [0, 2**62]])
def test_narrow_numbers_are_the_same(numbers: list[int]) -> None:
    found = narrow(np.array(numbers, np.int64))
    assert found.tolist() == numbers
    assert found.itemsize == (8 if max(numbers, default=0) >= 2**31 else 4)
