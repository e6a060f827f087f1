"""Molecules gathered into padded rows: written once, zeros behind each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel
from .ragged import AHEAD, Offsets, prefetch_row

__all__ = ["mark", "pad_molecules", "prefetch_molecule", "take_labels", "take_sizes"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]


@kernel
def pad_row(out: NDArray[Any], b: int, pack: NDArray[Any], begin: int, count: int) -> None:
    """Write `count` values to row b of `out`, and zeros behind them."""
    for j in range(count):
        out[b, j] = pack[begin + j]
    for j in range(count, out.shape[1]):
        out[b, j] = 0


@kernel
def pad_molecules(
    packs: tuple[Ints, Floats, Floats],
    offsets: Offsets,
    rows: Rows,
    numbers: Ints,
    places: Floats,
    forces: Floats,
) -> None:
    """Write molecules `rows` to one row each.

    Args:
        packs: atomic numbers (atoms,), positions (3 * atoms,) and forces (3 * atoms,) of all molecules.
        offsets: atoms `offsets[i]` to `offsets[i + 1]` are those of molecule i.
        rows: the molecules.
        numbers: (rows, slots).
        places: (rows, 3 * slots).
        forces: (rows, 3 * slots).
    """
    for b in range(min(AHEAD, len(rows))):
        prefetch_molecule(packs, offsets, rows[b])
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch_molecule(packs, offsets, rows[b + AHEAD])
        begin = offsets[rows[b]]
        count = offsets[rows[b] + 1] - begin
        pad_row(numbers, b, packs[0], begin, count)
        pad_row(places, b, packs[1], 3 * begin, 3 * count)
        pad_row(forces, b, packs[2], 3 * begin, 3 * count)


@kernel
def prefetch_molecule(
    packs: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], offsets: Offsets, row: int
) -> None:
    """Ask for the atoms of one molecule."""
    prefetch_row(packs[0], offsets, row, 1)
    prefetch_row(packs[1], offsets, row, 3)
    prefetch_row(packs[2], offsets, row, 3)


@kernel
def take_labels(
    energies: NDArray[np.float64],
    charges: NDArray[np.float64],
    rows: Rows,
    energy: NDArray[np.float64],
    charge: NDArray[np.float64],
) -> None:
    """Write one energy and one charge a molecule; without any charges they are 0."""
    for b in range(len(rows)):
        energy[b] = energies[rows[b]]
        charge[b] = charges[rows[b]] if len(charges) else 0.0


@kernel
def take_sizes(offsets: Offsets, rows: Rows, sizes: Ints) -> None:
    """Write the atoms of each molecule."""
    for b in range(len(rows)):
        sizes[b] = offsets[rows[b] + 1] - offsets[rows[b]]


@kernel
def mark(offsets: Offsets, rows: Rows, mask: NDArray[np.bool_]) -> None:
    """Write which slots (rows, slots) hold an atom."""
    for b in range(len(rows)):
        count = offsets[rows[b] + 1] - offsets[rows[b]]
        for j in range(mask.shape[1]):
            mask[b, j] = j < count
