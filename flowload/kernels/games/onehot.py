"""Boards of 64 squares, a bit a square, as 64 floats each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Order
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE, prefetch
from flowload.kernels.rows.bijection import write_rows
from flowload.kernels.streaming import address, fence, stream_bits
from flowload.kernels.words import spread_bits

__all__ = ["gather_boards", "reversed_bits", "reversed_bytes"]

BOARD = 256  #: bytes of a board of 64 float32
AHEAD = 24  #: rows that are on their way from memory while one is written

FOURS, EIGHTS = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x00FF00FF00FF00FF)
ONES, TWOS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
QUADS = np.uint64(0x0000FFFF0000FFFF)
S1, S2, S4, S8, S16, S32 = (np.uint64(1 << k) for k in range(6))


@kernel
def reversed_bytes(word: np.uint64) -> np.uint64:
    """The bytes of a word in reverse order."""
    word = ((word >> S8) & EIGHTS) | ((word & EIGHTS) << S8)
    word = ((word >> S16) & QUADS) | ((word & QUADS) << S16)
    return (word >> S32) | (word << S32)


@kernel
def reversed_bits(word: np.uint64) -> np.uint64:
    """Each byte's bits, last first."""
    word = ((word >> S1) & ONES) | ((word & ONES) << S1)
    word = ((word >> S2) & TWOS) | ((word & TWOS) << S2)
    return ((word >> S4) & FOURS) | ((word & FOURS) << S4)


@kernel
def gather_boards(
    boards: NDArray[np.uint64],
    rows: NDArray[np.int64],
    order: Order,
    out: NDArray[np.float32],
    least_first: bool,
    streamed: bool,
) -> None:
    """Write rows of boards (n, k) to out (len(rows), 64 * k), all C-contiguous.

    Args:
        rows, order: row numbers, or room for them; see `bijection.write_rows`.
        least_first: whether element 0 of a board is bit 0; else it is bit 63.
        streamed: write past the caches, as is better for a batch that `streaming.is_large`.
    """
    write_rows(rows, order)
    count = boards.shape[1]
    streamed = streamed and address(out) % LINE == 0
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            for byte in range(0, 8 * count, 64):
                prefetch(boards, 8 * count * rows[i + AHEAD] + byte)
        for k in range(count):
            word = boards[rows[i], k]
            # `spread_bits` takes the lowest byte first, and of each byte the highest bit.
            word = reversed_bits(word) if least_first else reversed_bytes(word)
            if streamed:
                stream_bits(out, (i * count + k) * BOARD, word)
            else:
                spread_bits(out, (i * count + k) * BOARD, word)
    fence()
