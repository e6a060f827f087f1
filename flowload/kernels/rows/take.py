"""Rows of one array to another, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE, prefetch
from flowload.kernels.streaming import fence, is_large, stream_bytes

__all__ = ["native", "scatter", "stream_rows", "take", "take_at"]


WIDE = 512  #: bytes of a row, in eight lines, from which streaming it is worth while
SOON = 4096  #: bytes of the next row that are asked for; the processor sees what comes behind


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in this machine's byte order."""
    return dtype.newbyteorder("=")


def take(array: NDArray[Any], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Write rows of `array` to `out`, C-contiguous, in the machine's byte order; releases the GIL.

    All rows must be there.
    """
    if array.dtype != out.dtype or not (array.flags.c_contiguous and array.flags.aligned):
        out[...] = array[rows]  # np.take would copy all of the array first, at every call
    elif is_large(out.nbytes) and out.nbytes >= WIDE * len(rows) > 0 and not array.dtype.hasobject:
        stream_rows(as_bytes(out), as_bytes(array), rows)
    else:
        np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would go through a buffer


def as_bytes(array: NDArray[Any]) -> Bytes:
    """The rows of a C-contiguous array as bytes: (n, width)."""
    return array.reshape(len(array), -1).view(np.uint8)


@kernel
def stream_rows(out: Bytes, rows: Bytes, which: NDArray[np.int64]) -> None:
    """Write row `which[i]` of `rows` to row i of `out` past the caches; both C-contiguous, of one width."""
    width = rows.shape[1]
    for i in range(len(which)):
        if i + 1 < len(which):
            for byte in range(0, min(width, SOON), LINE):
                prefetch(rows, which[i + 1] * width + byte)
        stream_bytes(out, i * width, rows, which[i] * width, width)
    fence()


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
