"""Slow, obvious twins of the kernels for molecules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

__all__ = ["images", "near_pairs", "pad", "ragged", "unsound"]


def ragged(most: int = 6, rows: int = 8) -> st.SearchStrategy[NDArray[np.int64]]:
    """Offsets of rows of 1 to `most` places."""
    lengths = st.lists(st.integers(1, most), min_size=1, max_size=rows)
    return lengths.map(lambda lengths: np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def pad(pack: NDArray[Any], offsets: Sequence[int], rows: Sequence[int], slots: int) -> NDArray[Any]:
    """Rows of `pack` (places, ...) with zeros behind each."""
    out = np.zeros((len(rows), slots, *pack.shape[1:]), pack.dtype)
    for place, row in enumerate(rows):
        values = pack[offsets[row] : offsets[row + 1]]
        out[place, : len(values)] = values
    return out


def near_pairs(
    places: Sequence[NDArray[np.float32]], slots: int, cutoff: float = math.inf
) -> list[tuple[int, int]]:
    """Ordered pairs of atoms closer than the cutoff, with `slots` to a molecule."""
    pairs = []
    for b, atoms in enumerate(places):
        for i, one in enumerate(atoms.astype(np.float64)):
            for j, two in enumerate(atoms.astype(np.float64)):
                if i != j and ((one - two) ** 2).sum() < cutoff**2:
                    pairs.append((b * slots + i, b * slots + j))
    return pairs


def unsound(  # one molecule
    numbers: NDArray[np.int32],
    places: NDArray[np.float32],
    forces: NDArray[np.float32],
    energy: float,
    charge: float,
    most: int,
) -> int:
    """Why it cannot be delivered, by the numbers of `flowload.kernels.molecules.sound`."""
    wrong = [
        0 < most < len(numbers),
        any(not 1 <= number <= 118 for number in numbers.tolist()),
        not all(map(math.isfinite, places.ravel().tolist())),
        not all(map(math.isfinite, forces.ravel().tolist())),
        not math.isfinite(energy),
        not math.isfinite(charge),
    ]
    return wrong.index(True) + 1 if any(wrong) else 0


def images(
    places: NDArray[np.float32], cell: NDArray[np.float64], pbc: Sequence[bool], cutoff: float, reach: int
) -> list[tuple[int, ...]]:
    """(dst, src, shift) of pairs closer than the cutoff in a periodic cell, of up to `reach` cells around.

    Sorted; atoms may lie outside of the cell.
    """
    found = []
    ranges = [range(-reach, reach + 1) if axis else range(1) for axis in pbc]
    for shift in itertools.product(*ranges):
        for i, one in enumerate(places.astype(np.float64)):
            for j, two in enumerate(places.astype(np.float64)):
                apart = (two - one) + np.array(shift) @ cell
                if (apart**2).sum() < cutoff**2 and (i != j or any(shift)):
                    found.append((i, j, *shift))
    return sorted(found)
