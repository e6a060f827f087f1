"""Kernels that write one record, on all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from flowload.abc.operators import Bytes

__all__ = ["every"]


def every(write: Callable[..., None], rows: Bytes, *out: NDArray[Any]) -> None:
    """Call `write(rows, i, *out)` for each row i."""
    for i in range(len(rows)):
        write(rows, i, *out)
