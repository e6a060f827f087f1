"""Sorting by small whole numbers, stable, in one pass over the data for each of two steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["sort_buckets", "sort_by_size"]


@kernel
def sort_by_size(order: NDArray[np.int64], sizes: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
    """Write to `order` the places 0 .. len(sizes) - 1 by rising size, equals in their order.

    Args:
        starts: scratch of (largest size + 2,), zeros.
    """
    for size in sizes:
        starts[size + 1] += 1
    for size in range(1, len(starts)):
        starts[size] += starts[size - 1]
    for i in range(len(sizes)):
        order[starts[sizes[i]]] = i
        starts[sizes[i]] += 1


@kernel
def sort_buckets(
    order: NDArray[np.int64], sizes: NDArray[np.int32], bucket: int, starts: NDArray[np.int64]
) -> None:
    """Each `bucket` places in turn, the last perhaps fewer, by themselves: see `sort_by_size`."""
    for first in range(0, len(sizes), bucket):
        starts[:] = 0
        part = order[first : first + bucket]
        sort_by_size(part, sizes[first : first + bucket], starts)
        part += first
