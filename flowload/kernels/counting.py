"""Counting numbers, and giving them others: what is asked of every block's column of sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel

__all__ = ["count_each", "renumber"]


@kernel
def count_each(column: NDArray[np.int32], times: NDArray[np.int64]) -> None:
    """Add to `times[k]` how often k is in a column; all of it is below `len(times)`."""
    for i in range(len(column)):
        times[column[i]] += 1


@kernel
def renumber(column: NDArray[np.int32], numbers: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Write `numbers[k]` to `out` for every k of a column; `out` may be the column itself."""
    for i in range(len(column)):
        out[i] = numbers[column[i]]
