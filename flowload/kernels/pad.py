"""Molecules gathered into padded rows: written once, zeros behind each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel
from .ragged import AHEAD, Offsets, prefetch_molecule
from .sound import Atoms, Labels, unsound
from .words import clear_bytes, copy_bytes

__all__ = ["mark", "pad_molecules", "take_sizes"]

Rows = NDArray[np.int64]


@kernel
def pad_molecules(
    packs: Atoms,
    labels: Labels,
    offsets: Offsets,
    rows: Rows,
    arrays: Atoms,
    targets: Labels,
    sizes: NDArray[np.int32],
    check: bool,
) -> int:
    """Write molecules `rows` to one row each.

    Args:
        packs, labels, offsets: see `sound.find_unsound`.
        rows: the molecules.
        arrays: (rows, slots), (rows, 3 * slots) and (rows, 3 * slots), C-contiguous.
        targets: energy and charge (rows,); without any charges they are 0.
        sizes: atoms (rows,).
        check: look at each before it is written, while it is in the cache; else all must be sound, and fit.

    Returns the first i whose molecule cannot be delivered, behind which nothing is written; -1: all can.
    """
    most = arrays[0].shape[1]
    for b in range(min(AHEAD, len(rows))):
        prefetch_molecule(packs, offsets, rows[b])
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch_molecule(packs, offsets, rows[b + AHEAD])
        row = rows[b]
        if check and unsound(packs, labels, offsets, row, most):
            return b
        begin, sizes[b] = offsets[row], offsets[row + 1] - offsets[row]
        pad_row(arrays[0], b, packs[0], begin, sizes[b])
        pad_row(arrays[1], b, packs[1], 3 * begin, 3 * sizes[b])
        pad_row(arrays[2], b, packs[2], 3 * begin, 3 * sizes[b])
        targets[0][b] = labels[0][row]
        targets[1][b] = labels[1][row] if len(labels[1]) else 0.0
    return -1


@kernel
def pad_row(out: NDArray[Any], b: int, pack: NDArray[Any], begin: int, count: int) -> None:
    """Write `count` values of 4 bytes to row b of `out`, and zeros behind them.

    A copy and a fill of the library each: loops took three times as long.
    """
    width = 4 * out.shape[1]
    copy_bytes(out, b * width, pack, 4 * begin, 4 * count)
    clear_bytes(out, b * width + 4 * count, width - 4 * count)


@kernel
def take_sizes(offsets: Offsets, rows: Rows, sizes: NDArray[np.int32]) -> None:
    """Write the atoms of each molecule."""
    for b in range(len(rows)):
        sizes[b] = offsets[rows[b] + 1] - offsets[rows[b]]


@kernel
def mark(sizes: NDArray[np.int32], mask: NDArray[np.bool_]) -> None:
    """Write which slots (rows, slots) hold an atom."""
    for b in range(len(sizes)):
        for j in range(mask.shape[1]):
            mask[b, j] = j < sizes[b]
