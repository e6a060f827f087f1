from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN
from flowload.kernels.molecules.ragged import count_places, first_misfit, largest, longest, widths_of
from tests.kernels.molecules import naive
from tests.kernels.rows import naive_order

FAR = np.iinfo(np.int64).max


@given(offsets=naive.ragged(), data=st.data())
def test_sizes_of_rows(offsets: NDArray[np.int64], data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(offsets) - 2), max_size=9)), np.int64)
    sizes = np.diff(offsets)[rows].tolist()
    assert largest(offsets, rows) == max(sizes, default=0)
    assert count_places(offsets, rows) == sum(sizes)
    assert longest(offsets) == np.diff(offsets).max()


@given(offsets=naive.ragged(), batches=st.integers(0, 9), size=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_width_of_a_batch_is_its_largest(
    offsets: NDArray[np.int64], batches: int, size: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).integers(0, len(offsets) - 1, batches * size)
    ordered, ways = naive_order.ways(len(offsets) - 1, seed, batches * size)
    known = [(rows, size, rows, WRITTEN), *((ordered, 1, room, order) for room, order in ways)]
    for numbers, each, room, order in known:
        widths = np.full(len(numbers) // each, -1)
        widths_of(offsets, room, order, np.arange(0, len(numbers) + 1, each), widths)
        assert widths.tolist() == np.diff(offsets)[numbers].reshape(-1, each).max(axis=1).tolist()


@given(offsets=naive.ragged(), counts=st.lists(st.integers(1, 7), max_size=6), seed=st.integers(0, 99))
def test_batches_of_any_size_have_widths_of_their_own(
    offsets: NDArray[np.int64], counts: list[int], seed: int
) -> None:
    rows = np.random.default_rng(seed).integers(0, len(offsets) - 1, sum(counts))
    borders = np.array([0, *np.cumsum(counts)], np.int64)
    widths = np.full(len(counts), -1)
    widths_of(offsets, rows, WRITTEN, borders, widths)
    lengths = np.diff(offsets)[rows].tolist()
    assert widths.tolist() == [max(lengths[a:b]) for a, b in pairwise(borders.tolist())]


@given(offsets=naive.ragged(rows=20), data=st.data())
def test_the_first_row_that_does_not_fit(offsets: NDArray[np.int64], data: st.DataObject) -> None:
    lengths = np.diff(offsets).astype(np.int32)
    assert first_misfit(offsets, lengths, int(offsets[-1])) == -1
    assert first_misfit(offsets, lengths, int(offsets[-1]) - 1) == len(lengths) - 1
    bad = data.draw(st.integers(0, len(lengths) - 1))
    other = lengths.copy()
    other[bad] += data.draw(st.sampled_from([-1, 1, 1 << 20]))
    assert first_misfit(offsets, other, FAR) == bad


@pytest.mark.parametrize(
    ("offsets", "bad"),
    [
        ([0, 2, 2, 3], 1),
        ([0, 2, 1, 3], 1),
        ([0, 2, FAR, 3], 1),
        ([0, 2, -5, 3], 1),
        ([-1, 2, 3, 4], 0),
        ([0, 2, 4, -FAR - 1], 2),
    ],
)
def test_wild_offsets(offsets: list[int], bad: int) -> None:
    numbers = np.array(offsets, np.int64)
    with np.errstate(over="ignore"):
        lengths = np.diff(numbers).astype(np.int32)
    assert first_misfit(numbers, lengths, FAR) == bad
