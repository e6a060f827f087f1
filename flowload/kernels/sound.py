"""Looking for molecules that no training step may see, before anything is written.

Floats are looked at as the words that they are: one compare finds NaN and infinity alike, and many are
compared at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel
from .pad import prefetch_molecule
from .ragged import AHEAD, Offsets

__all__ = ["CHARGE", "ENERGY", "FORCE", "NUMBER", "POSITION", "SIZE", "find_unsound"]

Words = NDArray[np.uint32]
Longs = NDArray[np.uint64]

#: Why a molecule cannot be delivered; 0: it can.
SIZE, NUMBER, POSITION, FORCE, ENERGY, CHARGE = 1, 2, 3, 4, 5, 6

ELEMENTS = np.uint32(118)
SIGN_OFF = np.uint32(0x7FFFFFFF)
NOT_FINITE = np.uint32(0x7F800000)
ONE = np.uint32(1)
LONG_SIGN_OFF = np.uint64(0x7FFFFFFFFFFFFFFF)
LONG_NOT_FINITE = np.uint64(0x7FF0000000000000)


@kernel
def find_unsound(
    packs: tuple[Words, Words, Words],
    labels: tuple[Longs, Longs],
    offsets: Offsets,
    rows: NDArray[np.int64],
    most: int,
    why: NDArray[np.uint8],
) -> int:
    """Write why each of these molecules cannot be delivered, and return how many cannot.

    Args:
        packs: atomic numbers, positions, forces of all molecules, as words.
        labels: energies and charges, as words; charges may be absent: length 0.
        offsets: atoms `offsets[i]` to `offsets[i + 1]` are those of molecule i.
        rows: the molecules.
        most: atoms that a molecule may have; 0: any number.
        why: (rows,), written to.
    """
    bad = 0
    for b in range(min(AHEAD, len(rows))):
        prefetch_molecule(packs, offsets, rows[b])
    for b in range(len(rows)):
        if b + AHEAD < len(rows):
            prefetch_molecule(packs, offsets, rows[b + AHEAD])
        begin, end = offsets[rows[b]], offsets[rows[b] + 1]
        if 0 < most < end - begin:
            why[b] = SIZE
        else:
            why[b] = unsound_atoms(packs, begin, end)
            if not why[b]:
                why[b] = unsound_labels(labels, rows[b])
        bad += why[b] != 0
    return bad


@kernel
def unsound_atoms(packs: tuple[Words, Words, Words], begin: int, end: int) -> int:
    """What is wrong with atoms `begin` to before `end`."""
    highest = np.uint32(0)
    for j in range(begin, end):
        highest = max(highest, packs[0][j] - ONE)  # 0 becomes the largest word
    if highest >= ELEMENTS:
        return NUMBER
    if greatest(packs[1], 3 * begin, 3 * end) >= NOT_FINITE:
        return POSITION
    if greatest(packs[2], 3 * begin, 3 * end) >= NOT_FINITE:
        return FORCE
    return 0


@kernel
def greatest(words: Words, begin: int, end: int) -> np.uint32:
    """The largest of some words without their sign: as floats, that of the largest magnitude."""
    most = np.uint32(0)
    for j in range(begin, end):
        most = max(most, words[j] & SIGN_OFF)
    return most


@kernel
def unsound_labels(labels: tuple[Longs, Longs], row: int) -> int:
    """What is wrong with the energy or charge of a molecule."""
    if labels[0][row] & LONG_SIGN_OFF >= LONG_NOT_FINITE:
        return ENERGY
    if len(labels[1]) and labels[1][row] & LONG_SIGN_OFF >= LONG_NOT_FINITE:
        return CHARGE
    return 0
