"""Copying chosen rows of bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.protocols import Bytes

from ._jit import kernel

__all__ = ["gather", "widen"]


@kernel
def gather(out: Bytes, rows: Bytes, which: NDArray[np.int64]) -> None:
    """Write row `which[i]` of `rows` to the beginning of row i of `out`, whose rows are at least as long.

    Both are C-contiguous. What a longer row of `out` holds behind its record stays as it was.
    """
    width = rows.shape[1]
    for i in range(len(which)):
        j = which[i]
        for k in range(width):
            out[i, k] = rows[j, k]


@kernel
def widen(out: Bytes, rows: Bytes) -> None:
    """Write row i of `rows` to the beginning of row i of `out`, whose rows are at least as long."""
    width = rows.shape[1]
    for i in range(len(rows)):
        for k in range(width):
            out[i, k] = rows[i, k]
