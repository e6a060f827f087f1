"""Columns of molecules, as bytes: gathered, padded with zeros, and looked at, whatever their numbers are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import prefetch
from flowload.kernels.words import clear_bytes, copy_bytes, word_at

from .ragged import Offsets
from .scan import not_finite_in

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "TRUTH",
    "WHOLE",
    "find_bad_rows",
    "pad_rows",
    "pad_rows_at",
    "take_rows",
    "take_rows_at",
]

Rows = NDArray[np.int64]

#: What the numbers of a column are, for those who look at them.
WHOLE, FLOAT32, FLOAT64, TRUTH = 0, 1, 2, 3

AHEAD = 8  #: rows that are asked for before they are read
EXPONENT = np.uint64(0x7FF0000000000000)  #: bits that are all set in a float64 that is nan or infinite


@kernel
def take_rows(pack: Bytes, width: int, rows: Rows, out: Bytes) -> None:
    """Write the rows, of `width` bytes, one behind the other."""
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch(pack, width * rows[b + AHEAD])
        copy_bytes(out, b * width, pack, width * rows[b], width)


@kernel
def pad_rows(
    pack: Bytes,
    width: int,
    offsets: Offsets,
    rows: Rows,
    borders: NDArray[np.int64],
    widths: NDArray[np.int64],
    out: Bytes,
) -> None:
    """Write the places of each row, of `width` bytes, and zeros behind them.

    Args:
        offsets: row i has places `offsets[i]` to `offsets[i + 1]`.
        borders: batch k has rows `borders[k]` to `borders[k + 1]`; all of them are in one.
        widths: places that each batch's rows are padded to.
    """
    begin = 0
    for k in range(len(widths)):
        room = widths[k] * width
        for b in range(borders[k], borders[k + 1]):
            if b + AHEAD < len(rows):
                prefetch(pack, width * offsets[rows[b + AHEAD]])
            first = offsets[rows[b]]
            count = (offsets[rows[b] + 1] - first) * width
            copy_bytes(out, begin, pack, width * first, count)
            clear_bytes(out, begin + count, room - count)
            begin += room


@kernel
def pad_rows_at(
    pack: Bytes, width: int, offsets: Offsets, rows: Rows, where: tuple[Rows, Rows, Rows], out: Bytes
) -> None:
    """The same to places among others: of each row the first in `out`, and how many; see `pad.pad_at`."""
    begins, widths, _ = where
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch(pack, width * offsets[rows[b + AHEAD]])
        first, to = offsets[rows[b]], begins[b] * width
        count = (offsets[rows[b] + 1] - first) * width
        copy_bytes(out, to, pack, width * first, count)
        clear_bytes(out, to + count, widths[b] * width - count)


@kernel
def take_rows_at(pack: Bytes, width: int, rows: Rows, numbers: Rows, out: Bytes) -> None:
    """Write the rows, of `width` bytes, to rows `numbers` of `out`."""
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch(pack, width * rows[b + AHEAD])
        copy_bytes(out, numbers[b] * width, pack, width * rows[b], width)


@kernel
def find_bad_rows(
    pack: Bytes, kind: int, each: int, offsets: Offsets, rows: Rows, why: NDArray[np.uint8], code: int
) -> int:
    """Write `code` to `why` of the rows in which a number is not what it should be; how many there are.

    Args:
        kind: `FLOAT32` and `FLOAT64` are finite, `TRUTH` is 0 or 1, and whatever is `WHOLE` is good.
        each: numbers of a place.
        offsets: see `pad_rows`; without any, a row has one place.
        why: rows that have another reason already keep it, and are not counted.
    """
    bad = 0
    for b in range(len(rows)):
        begin, end = rows[b], rows[b] + 1
        if len(offsets):
            begin, end = offsets[rows[b]], offsets[rows[b] + 1]
        if why[b] == 0 and wrong(pack, kind, begin * each, end * each):
            why[b] = code
            bad += 1
    return bad


@kernel
def wrong(pack: Bytes, kind: int, begin: int, end: int) -> bool:
    """Whether one of the numbers `begin` to `end` is not what it should be."""
    if kind == FLOAT32:
        return bool(not_finite_in(pack, 4 * begin, end - begin))
    if kind == FLOAT64:
        for k in range(begin, end):
            if word_at(pack, 8 * k) & EXPONENT == EXPONENT:
                return True
    if kind == TRUTH:
        for k in range(begin, end):
            if pack[k] > 1:
                return True
    return False
