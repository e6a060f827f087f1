from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.records import WRITTEN
from flowload.kernels.games.onehot import gather_boards, reversed_bits, reversed_bytes
from tests.kernels.memory import on_a_line
from tests.kernels.rows import naive_order

words = st.integers(0, 2**64 - 1)


@given(words)
def test_bytes_are_reversed(word: int) -> None:
    assert int(reversed_bytes(np.uint64(word))).to_bytes(8, "little") == word.to_bytes(8, "big")


@given(words)
def test_bits_of_each_byte_are_reversed(word: int) -> None:
    wanted = bytes(int(f"{byte:08b}"[::-1], 2) for byte in word.to_bytes(8, "little"))
    assert int(reversed_bits(np.uint64(word))).to_bytes(8, "little") == wanted


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("least_first", [False, True])
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 60))
def test_boards_are_spread_square_by_square(
    least_first: bool, streamed: bool, seed: int, count: int, size: int
) -> None:
    rng = np.random.default_rng(seed)
    boards = rng.integers(0, 2**64, (7, count), np.uint64)
    boards.flags.writeable = False
    rows = rng.integers(0, 7, size)
    out = on_a_line((size + 1, 64 * count), np.float32)
    out[:] = 7
    gather_boards(boards, rows, WRITTEN, out[:-1], least_first, streamed)
    squares = range(64) if least_first else range(63, -1, -1)
    wanted = [[int(word) >> square & 1 for word in boards[row] for square in squares] for row in rows]
    assert out[:-1].tolist() == wanted
    assert (out[-1] == 7).all()


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_an_order_is_computed_before_it_is_used(seed: int, size: int) -> None:
    boards = np.random.default_rng(seed).integers(0, 2**64, (90, 1), np.uint64)
    rows, ways = naive_order.ways(90, seed, size)
    found = [np.empty((len(rows), 64), np.float32) for _ in ways]
    for out, (room, order) in zip(found, ways, strict=True):
        gather_boards(boards, room, order, out, False, False)
        assert room.tolist() == rows.tolist()
    np.testing.assert_array_equal(found[0], found[1])
