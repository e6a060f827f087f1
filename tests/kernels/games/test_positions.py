from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN, Order
from flowload.kernels.games.positions import FEATURES, gather_bits, gather_rows, owners
from tests.kernels.rows import naive_order

N = 50


def features(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Any positions, and their outcomes."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (N, FEATURES), np.uint8), rng.integers(0, 3, N, np.uint8)


def packed(inputs: NDArray[np.uint8], outputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """32 bytes a position, by numpy."""
    rows = np.zeros((len(inputs), 32), np.uint8)
    rows[:, :24] = np.packbits(inputs[:, :192], axis=1)
    rows[:, 24], rows[:, 25] = inputs[:, 192], outputs
    return rows


def gathered(
    kernel: Any,
    arrays: tuple[NDArray[Any], ...],
    rows: NDArray[np.int64],
    streamed: bool = False,
    order: Order = WRITTEN,
) -> tuple[Any, ...]:
    """What a kernel writes, and nothing behind it."""
    out, labels = np.full((len(rows) + 1, FEATURES), 7, np.float32), np.full(len(rows) + 1, 7, np.int64)
    for array in arrays:
        array.flags.writeable = False
    bad = kernel(*arrays, rows, order, out[:-1], labels[:-1], streamed)
    assert (out[-1] == 7).all()
    assert labels[-1] == 7
    return out[:-1], labels[:-1], bad


@given(st.integers(0, 2**32), st.integers(0, 80))
def test_an_order_is_computed_before_it_is_used(seed: int, count: int) -> None:
    inputs, outputs = features(seed)
    rows, ways = naive_order.ways(N, seed, count)
    for kernel, arrays in ((gather_bits, (packed(inputs, outputs),)), (gather_rows, (inputs, outputs))):
        for room, order in ways:
            out, told, bad = gathered(kernel, arrays, room, True, order)
            np.testing.assert_array_equal(out, inputs[rows])
            np.testing.assert_array_equal(told, outputs[rows])
            assert bad == -1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@given(st.integers(0, 2**32), st.lists(st.integers(0, N - 1), max_size=80))
def test_all_layouts_give_the_same(dtype: Any, seed: int, numbers: list[int]) -> None:
    inputs, outputs = features(seed)
    rows, labels = np.array(numbers, np.int64), outputs.astype(dtype)
    for kernel, arrays in (
        (gather_bits, (packed(inputs, outputs),)),
        (gather_rows, (inputs.copy(), labels)),
        (gather_rows, (inputs.astype(np.float32), labels)),
    ):
        for streamed in (False, True):
            out, told, bad = gathered(kernel, arrays, rows, streamed)
            np.testing.assert_array_equal(out, inputs[rows])
            np.testing.assert_array_equal(told, outputs[rows])
            assert bad == -1


@given(st.integers(0, N - 1), st.integers(24, 31), st.integers(1, 255))
def test_a_packed_row_that_means_nothing_is_told(row: int, byte: int, value: int) -> None:
    rows = packed(*features(0))
    rows[row, 24:26] = 0
    rows[row, byte] = value
    good = (byte == 24 and value == 1) or (byte == 25 and value <= 2)
    for streamed in (False, True):
        bad = gathered(gather_bits, (rows,), np.arange(N), streamed)[2]
        assert bad == (-1 if good else row)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "label"), [(np.uint8, 3), (np.uint8, 255), (np.int64, 3), (np.int64, -1)])
def test_a_label_that_is_no_outcome_is_told(dtype: Any, label: int) -> None:
    inputs, outputs = features(0)
    labels = outputs.astype(dtype)
    labels[31] = label
    order = np.arange(N)[::-1].copy()
    for streamed in (False, True):
        assert gathered(gather_rows, (inputs, labels), order, streamed)[2] == N - 1 - 31
        floats = inputs.astype(np.float32)
        assert gathered(gather_rows, (floats, labels), order, streamed)[2] == N - 1 - 31


@given(st.integers(0, N - 1), st.integers(0, FEATURES - 1), st.floats(width=32))
def test_a_feature_that_is_neither_0_nor_1_is_told(row: int, feature: int, value: float) -> None:
    inputs, outputs = features(0)
    floats = inputs.astype(np.float32)
    floats[row, feature] = value
    bytes_ = inputs.astype(np.uint8)
    bytes_[row, feature] = wide = int(abs(value)) % 256 if np.isfinite(value) else 7
    for array, good in ((floats, value in (0, 1)), (bytes_, wide in (0, 1))):
        for streamed in (False, True):
            bad = gathered(gather_rows, (array.copy(), outputs), np.arange(N), streamed)[2]
            assert bad == (-1 if good else row)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.randoms(), st.booleans())
def test_the_owner_of_a_row_is_its_game(sizes: list[int], random: Any, rising: bool) -> None:
    wanted = [1000 + game for game, size in enumerate(sizes) for _ in range(size)]
    starts = np.cumsum([0, *sizes])[:-1]
    games = np.array([[start, 1000 + game] for game, start in enumerate(starts.tolist())], np.uint64)
    rows = list(range(len(wanted)))
    if not rising:
        random.shuffle(rows)
    keys = np.zeros(len(rows), np.uint64)
    owners(games, np.array(rows, np.int64), keys)
    assert keys.tolist() == [wanted[row] for row in rows]
