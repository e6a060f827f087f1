"""Kernels that write one record, on all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes

__all__ = ["SCRATCH", "every"]

SCRATCH = np.empty((1, 1858), np.float32)  #: for kernels that may write past the caches


def every(write: Callable[..., None], rows: Bytes, *out: NDArray[Any] | bool) -> None:
    """Call `write(rows, i, *out)` for each row i."""
    for i in range(len(rows)):
        write(rows, i, *out)
