"""Counting numbers, and giving them others: what is asked of every block's column of sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["count_each", "renumber"]


@kernel
def count_each(column: NDArray[np.int32], times: NDArray[np.int64]) -> int:
    """Add to `times[k]` how often k is in a column.

    Returns the first i whose k has no place there, behind which nothing is counted; -1: all have.
    """
    for i in range(len(column)):
        if not 0 <= column[i] < len(times):
            return i
        times[column[i]] += 1
    return -1


@kernel
def renumber(column: NDArray[np.int32], numbers: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Write `numbers[k]` to `out` for every k of a column, which all have a place; `out` may be it."""
    for i in range(len(column)):
        out[i] = numbers[column[i]]
