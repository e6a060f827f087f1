"""Swapping rows: what a reservoir and a pool do to every record that passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE, prefetch

__all__ = ["exchange"]

AHEAD = 2  #: rows: a slot that is asked for so early has come from memory when its turn is there


@kernel
def exchange(slots: NDArray[Any], rows: NDArray[Any], which: NDArray[np.int64]) -> None:
    """Swap row i of `rows` with row `which[i]` of `slots`, in the order of i, in place.

    Both are C-contiguous, of one dtype, with rows of one length, of any alignment: the compiler makes vector
    moves of a loop over bytes (measured: as fast as words, and faster than copies through a scratch row).
    """
    width, size = rows.shape[1], rows.shape[1] * rows.itemsize
    for i in range(len(which)):
        if i + AHEAD < len(which):
            begin = which[i + AHEAD] * size
            for byte in range(begin, begin + size, LINE):
                prefetch(slots, byte)
        j = which[i]
        for k in range(width):
            item = slots[j, k]
            slots[j, k] = rows[i, k]
            rows[i, k] = item
