"""Rows of one array to another, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["native", "take"]


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same numbers in this machine's byte order."""
    return dtype.newbyteorder("=")


def take(array: NDArray[Any], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Write rows of `array` to `out`, C-contiguous, in the machine's byte order; releases the GIL.

    All rows must be there.
    """
    if array.flags.c_contiguous and array.dtype == out.dtype:
        np.take(array, rows, axis=0, out=out, mode="clip")  # "raise" would go through a buffer
    else:
        out[...] = array[rows]  # np.take would copy all of the array first, at every call
