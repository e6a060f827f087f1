"""Which rows of a graph some rows need: their neighbours and themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["check_csr", "with_neighbours"]


@kernel
def with_neighbours(
    out: NDArray[np.int64],
    marks: NDArray[np.uint8],
    rows: NDArray[np.int64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> int:
    """Write the rows and their neighbours to `out`, sorted, each once; returns how many.

    Args:
        out: (n,), for n rows of the graph.
        marks: (n,) zeros, and zeros again afterwards.
        rows: numbers from 0 below n.
        indptr: (n + 1,) where the neighbours of each row begin in `indices`.
        indices: numbers from 0 below n.
    """
    for row in rows:
        marks[row] = 1
        for k in range(indptr[row], indptr[row + 1]):
            marks[indices[k]] = 1
    count = 0
    for row in range(len(marks)):
        if marks[row]:
            out[count] = row
            count += 1
            marks[row] = 0
    return count


@kernel
def check_csr(indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> int:
    """The first row whose neighbours are not where they should be; -1: all are right.

    Wrong is a row that ends before it begins, or whose neighbours are no rows of the graph; -2: the first
    does not begin at 0, or the last does not end at the end.
    """
    rows = len(indptr) - 1
    if indptr[0] != 0 or indptr[rows] != len(indices):
        return -2
    for row in range(rows):
        begin, end = indptr[row], indptr[row + 1]
        if begin > end or begin < 0 or end > len(indices):
            return row
        for k in range(begin, end):
            if indices[k] < 0 or indices[k] >= rows:
                return row
    return -1
