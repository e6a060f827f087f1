"""A key of the elements of a molecule, whatever their order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

from .ragged import Offsets

__all__ = ["composition_keys"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_0 = np.uint64(0xBF58476D1CE4E5B9)
MIX_1 = np.uint64(0x94D049BB133111EB)
S30, S27, S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@kernel
def scatter(number: np.uint64) -> np.uint64:
    """The finalizer of splitmix64: a bijection that changes half of the bits for each that changed.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    word = (number + np.uint64(1)) * GOLDEN
    word = (word ^ (word >> S30)) * MIX_0
    word = (word ^ (word >> S27)) * MIX_1
    return word ^ (word >> S31)


@kernel
def composition_keys(
    numbers: NDArray[np.int32], offsets: Offsets, rows: NDArray[np.int64], keys: NDArray[np.uint64]
) -> None:
    """Write a key a row: the sum of a word for each atom's element, the same for the same elements."""
    for b in range(len(rows)):
        total = np.uint64(0)
        for atom in range(offsets[rows[b]], offsets[rows[b] + 1]):
            total += scatter(np.uint64(numbers[atom]))
        keys[b] = total
