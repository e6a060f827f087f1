"""Rows of one array to another, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.protocols import Bytes

from ._jit import kernel

__all__ = ["native", "scatter", "take", "take_at"]


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same numbers in this machine's byte order."""
    return dtype.newbyteorder("=")


def take(array: NDArray[Any], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Write rows of `array` to `out`, C-contiguous, in the machine's byte order; releases the GIL.

    All rows must be there.
    """
    if array.dtype == out.dtype and array.flags.c_contiguous and array.flags.aligned:
        np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would go through a buffer
    else:
        out[...] = array[rows]  # np.take would copy all of the array first, at every call


@kernel
def scatter(out: Bytes, places: NDArray[np.int64], rows: Bytes, which: NDArray[np.int64]) -> None:
    """Write row `which[i]` of `rows` to row `places[i]` of `out`, of the same width; both C-contiguous."""
    width = rows.shape[1]
    for i in range(len(places)):
        place, row = places[i], which[i]
        for k in range(width):
            out[place, k] = rows[row, k]


@kernel
def take_at(out: Bytes, memory: Bytes, offsets: NDArray[np.int64]) -> None:
    """Write to row i of `out` the bytes of `memory` from `offsets[i]` on; a negative one leaves it alone."""
    width = out.shape[1]
    for i in range(len(offsets)):
        begin = offsets[i]
        if begin >= 0:
            for k in range(width):
                out[i, k] = memory[begin + k]
