"""Arrays where kernels want them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["on_a_line"]


def on_a_line(shape: tuple[int, ...], dtype: DTypeLike, beside: int = 0) -> NDArray[Any]:
    """Zeros that begin `beside` bytes behind the begin of a cache line."""
    nbytes = prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(nbytes + 64 + beside, np.uint8)
    begin = -memory.ctypes.data % 64 + beside
    return memory[begin : begin + nbytes].view(dtype).reshape(shape)
