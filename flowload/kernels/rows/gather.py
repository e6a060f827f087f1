"""Copying chosen rows of bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel

__all__ = ["gather", "widen"]


@kernel
def gather(out: Bytes, rows: Bytes, which: NDArray[np.int64]) -> None:
    """Write row `which[i]` of `rows` to row i of `out`, whose rows are at least as long, zeros behind it.

    Both are C-contiguous.
    """
    width = rows.shape[1]
    for i in range(len(which)):
        j = which[i]
        for k in range(width):
            out[i, k] = rows[j, k]
        for k in range(width, out.shape[1]):
            out[i, k] = 0


@kernel
def widen(out: Bytes, rows: Bytes) -> None:
    """Write row i of `rows` to row i of `out`, whose rows are at least as long, zeros behind it."""
    width = rows.shape[1]
    for i in range(len(rows)):
        for k in range(width):
            out[i, k] = rows[i, k]
        for k in range(width, out.shape[1]):
            out[i, k] = 0
