"""Looking for molecules that no training step may see, before anything is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

from .ragged import FAR, Offsets, ask_ahead
from .scan import no_element_in, not_finite_in

__all__ = ["CHARGE", "ENERGY", "FORCE", "NUMBER", "POSITION", "SIZE", "find_unsound", "unsound"]

Atoms = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
Labels = tuple[NDArray[np.float64], NDArray[np.float64]]

#: Why a molecule cannot be delivered; 0: it can.
SIZE, NUMBER, POSITION, FORCE, ENERGY, CHARGE = 1, 2, 3, 4, 5, 6


@kernel
def find_unsound(
    packs: Atoms,
    labels: Labels,
    offsets: Offsets,
    rows: NDArray[np.int64],
    most: int,
    why: NDArray[np.uint8],
) -> int:
    """Write why each of these molecules cannot be delivered, and return how many cannot.

    Args:
        packs: atomic numbers (atoms,), positions (3 * atoms,) and forces (3 * atoms,) of all molecules;
            forces may be absent: length 0.
        labels: energies and charges; each may be absent: length 0.
        offsets: atoms `offsets[i]` to `offsets[i + 1]` are those of molecule i.
        rows: the molecules.
        most: atoms that a molecule may have; 0: any number.
        why: (rows,), written to.
    """
    bad = 0
    for b in range(-FAR, len(rows)):
        ask_ahead(packs, labels, offsets, rows, b)
        if b >= 0:
            why[b] = unsound(packs, labels, offsets, rows[b], most)
            bad += why[b] != 0
    return bad


@kernel
def unsound(packs: Atoms, labels: Labels, offsets: Offsets, row: int, most: int) -> int:
    """Why one molecule cannot be delivered, or 0."""
    begin, count = offsets[row], offsets[row + 1] - offsets[row]
    if 0 < most < count:
        return SIZE
    if no_element_in(packs[0], 4 * begin, count):
        return NUMBER
    if not_finite_in(packs[1], 12 * begin, 3 * count):
        return POSITION
    if len(packs[2]) and not_finite_in(packs[2], 12 * begin, 3 * count):
        return FORCE
    return unsound_labels(labels, row)


@kernel
def unsound_labels(labels: Labels, row: int) -> int:
    """What is wrong with the energy or charge of a molecule, or 0."""
    if len(labels[0]) and not np.isfinite(labels[0][row]):
        return ENERGY
    if len(labels[1]) and not np.isfinite(labels[1][row]):
        return CHARGE
    return 0
