"""Rows of different lengths, one behind the other: row i has places `offsets[i]` to `offsets[i + 1]`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Order
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE, prefetch
from flowload.kernels.rows.bijection import write_rows

__all__ = [
    "FAR",
    "Offsets",
    "ask_ahead",
    "count_places",
    "first_misfit",
    "largest",
    "longest",
    "prefetch_row",
    "widths_of",
]

Offsets = NDArray[np.int64]

AHEAD = 6  #: rows that are asked for before they are read; measured: 4 to 8 are alike, 16 are too many
FAR = 2 * AHEAD  #: and their offsets, without which nobody knows what to ask for: a third of the time


@kernel
def first_misfit(offsets: Offsets, lengths: NDArray[np.int32], places: int) -> int:
    """The first row that is empty, falls, ends beyond `places` or is not as long as said; -1: none."""
    for i in range(len(lengths)):
        length = offsets[i + 1] - offsets[i]
        # Each bound is looked at by itself: differences of wild numbers may wrap around.
        if offsets[i] < 0 or offsets[i + 1] > places or length < 1 or length != lengths[i]:
            return i
    return -1


@kernel
def largest(offsets: Offsets, rows: NDArray[np.int64]) -> int:
    """The most places of any of these rows; 0 without rows."""
    most = 0
    for row in rows:
        most = max(most, int(offsets[row + 1] - offsets[row]))
    return most


@kernel
def widths_of(
    offsets: Offsets,
    rows: NDArray[np.int64],
    order: Order,
    borders: NDArray[np.int64],
    widths: NDArray[np.int64],
) -> None:
    """Write the most places of any row of each batch.

    Args:
        rows, order: row numbers, or room for them; see `bijection.write_rows`.
        borders: batch k has rows `borders[k]` to `borders[k + 1]`; all of them are in one.
    """
    write_rows(rows, order)
    for k in range(len(widths)):
        most = 0
        for b in range(borders[k], borders[k + 1]):
            if b + FAR < len(rows):
                prefetch(offsets, 8 * rows[b + FAR])
            most = max(most, int(offsets[rows[b] + 1] - offsets[rows[b]]))
        widths[k] = most


@kernel
def longest(offsets: Offsets) -> int:
    """The most places of any row; 0 without rows."""
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, int(offsets[row + 1] - offsets[row]))
    return most


@kernel
def count_places(offsets: Offsets, rows: NDArray[np.int64]) -> int:
    """Places of these rows together."""
    total = 0
    for row in rows:
        total += int(offsets[row + 1] - offsets[row])
    return total


@kernel
def prefetch_row(pack: NDArray[Any], offsets: Offsets, row: int, width: int) -> None:
    """Ask for the values of one row, `width` a place; no row may be empty."""
    size = width * pack.itemsize
    begin, end = offsets[row] * size, offsets[row + 1] * size
    for byte in range(begin, end, LINE):
        prefetch(pack, byte)
    prefetch(pack, end - 1)


@kernel
def ask_ahead(
    packs: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    labels: tuple[NDArray[Any], NDArray[Any]],
    offsets: Offsets,
    rows: NDArray[np.int64],
    b: int,
) -> None:
    """Ask for what the molecules after the b-th will need; call it for each b from -FAR on.

    Args:
        packs: one place of the first array, and three of the others, for each atom; none in the last: it is
            not asked for.
        labels: one place a molecule, or none.
    """
    if b + FAR < len(rows):
        prefetch(offsets, 8 * rows[b + FAR])
        if len(labels[0]):
            prefetch(labels[0], 8 * rows[b + FAR])
        if len(labels[1]):
            prefetch(labels[1], 8 * rows[b + FAR])
    if 0 <= b + AHEAD < len(rows):
        row = rows[b + AHEAD]
        prefetch_row(packs[0], offsets, row, 1)
        prefetch_row(packs[1], offsets, row, 3)
        if len(packs[2]):
            prefetch_row(packs[2], offsets, row, 3)
