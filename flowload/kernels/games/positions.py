"""Positions of games at random places of a memory map, as the arrays of a batch: each is written once.

Each kernel asks the memory for rows some way ahead of the one that it writes. That hides all of the waiting
for them: a row of 32 bytes then costs less than the 772 bytes that are written for it.

`streamed`: write past the caches, as is better for a batch that `streaming.is_large`: a group of rows is put
together in the first cache, and goes from there in whole lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.abc.records import Order
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE, prefetch
from flowload.kernels.rows.bijection import write_rows
from flowload.kernels.streaming import fence, stream_bytes
from flowload.kernels.words import spread_bits, word_at

__all__ = ["BITS", "FEATURES", "gather_bits", "gather_rows", "owners"]

FEATURES = 193
ROW = 4 * FEATURES  #: bytes of a row of float32
BITS = 32  #: bytes of a packed position: half a cache line, so that none lies across two
BOARD = 256  #: bytes of 64 float32
GROUP = 16  #: rows that are streamed together: 193 cache lines

# So far ahead that a row has come from memory when its turn is there, and is still in the first cache.
BITS_AHEAD, BYTES_AHEAD, FLOATS_AHEAD = 24, 12, 6

EIGHT, ONE, OUTCOME = np.uint64(8), np.uint64(1), np.uint64(3)
MEANT = np.uint64(0x301)  # bits that mean something in the last word of a row


@kernel
def gather_bits(
    packed: Bytes,
    rows: NDArray[np.int64],
    order: Order,
    inputs: NDArray[np.float32],
    outputs: NDArray[np.int64],
    streamed: bool,
) -> int:
    """Write packed positions (see `flowload.kernels.games.replay`) to inputs (n, 193) and outputs (n,).

    Args:
        packed: (N, 32), C-contiguous.
        rows, order: row numbers, or room for them; see `bijection.write_rows`.

    Returns the last i whose row is none that was packed; -1: all are.
    """
    write_rows(rows, order)
    if not streamed:
        return spread_rows(packed, rows, 0, len(rows), inputs, 0, outputs)
    bad, scratch = -1, np.empty((GROUP, FEATURES), np.float32)
    for first in range(0, len(rows), GROUP):
        end = min(first + GROUP, len(rows))
        bad = max(bad, spread_rows(packed, rows, first, end, scratch, first, outputs))
        stream_bytes(inputs, first * ROW, scratch, 0, (end - first) * ROW)
    fence()
    return bad


@kernel
def gather_rows(
    inputs: NDArray[Any],
    labels: NDArray[Any],
    rows: NDArray[np.int64],
    order: Order,
    out: NDArray[np.float32],
    outputs: NDArray[np.int64],
    streamed: bool,
) -> int:
    """Write rows of inputs (N, 193), uint8 or float32, to out (n, 193), and their labels to outputs (n,).

    Args:
        rows, order: row numbers, or room for them; see `bijection.write_rows`.

    Returns the last i whose label is no outcome, or of whose inputs one is neither 0 nor 1; -1: all are.
    """
    write_rows(rows, order)
    if not streamed:
        return convert_rows(inputs, labels, rows, 0, len(rows), out, 0, outputs)
    bad, scratch = -1, np.empty((GROUP, FEATURES), np.float32)
    for first in range(0, len(rows), GROUP):
        end = min(first + GROUP, len(rows))
        bad = max(bad, convert_rows(inputs, labels, rows, first, end, scratch, first, outputs))
        stream_bytes(out, first * ROW, scratch, 0, (end - first) * ROW)
    fence()
    return bad


# Each of these writes rows `first` to `end`, in places counted from `zero`, to out; labels to outputs.


@kernel
def spread_rows(
    packed: Bytes,
    rows: NDArray[np.int64],
    first: int,
    end: int,
    out: NDArray[np.float32],
    zero: int,
    outputs: NDArray[np.int64],
) -> int:
    """Packed positions; the last that is none, or -1."""
    bad = -1
    for i in range(first, end):
        if i + BITS_AHEAD < len(rows):
            prefetch(packed, BITS * rows[i + BITS_AHEAD])
        source, target = BITS * rows[i], ROW * (i - zero)
        spread_bits(out, target, word_at(packed, source))
        spread_bits(out, target + BOARD, word_at(packed, source + 8))
        spread_bits(out, target + 2 * BOARD, word_at(packed, source + 16))
        last = word_at(packed, source + 24)
        outcome = (last >> EIGHT) & OUTCOME
        out[i - zero, FEATURES - 1] = last & ONE
        outputs[i] = outcome
        if last & ~MEANT or outcome == OUTCOME:
            bad = i
    return bad


@kernel
def convert_rows(
    inputs: NDArray[Any],
    labels: NDArray[Any],
    rows: NDArray[np.int64],
    first: int,
    end: int,
    out: NDArray[np.float32],
    zero: int,
    outputs: NDArray[np.int64],
) -> int:
    """Numbers as floats; the last whose label is no outcome, or that has a number but 0 and 1; or -1."""
    bad, size = -1, FEATURES * inputs.itemsize
    ahead = BYTES_AHEAD if inputs.itemsize == 1 else FLOATS_AHEAD
    for i in range(first, end):
        if i + ahead < len(rows):
            ask(inputs, size * rows[i + ahead], size)
            prefetch(labels, labels.itemsize * rows[i + ahead])
        row = rows[i]
        other = False
        for k in range(FEATURES):
            value = inputs[row, k]
            out[i - zero, k] = value
            other |= (value != 0) & (value != 1)
        outputs[i] = labels[row]
        if other or not 0 <= labels[row] <= 2:
            bad = i
    return bad


@kernel
def ask(array: NDArray[Any], start: int, size: int) -> None:
    """Prefetch all cache lines of so many bytes."""
    for byte in range(start, start + size, LINE):
        prefetch(array, byte)
    prefetch(array, start + size - 1)


@kernel
def owners(games: NDArray[np.uint64], rows: NDArray[np.int64], keys: NDArray[np.uint64]) -> None:
    """Write to `keys` the hash of the game of each row, fastest where the rows rise.

    Args:
        games: (g, 2): the first row of each game, rising from 0, and the game's hash.
    """
    game, count = 0, len(games)
    for i in range(len(rows)):
        row = np.uint64(rows[i])
        if row < games[game, 0] or (game + 1 < count and row >= games[game + 1, 0]):
            game = owner(games, row)
        keys[i] = games[game, 1]


@kernel
def owner(games: NDArray[np.uint64], row: np.uint64) -> int:
    """The last game that begins at a row or before it."""
    low, high = 0, len(games)
    while high - low > 1:
        middle = (low + high) // 2
        if games[middle, 0] <= row:
            low = middle
        else:
            high = middle
    return low
