"""The slow, obvious twin of the neighbour kernels."""

from __future__ import annotations

from collections.abc import Sequence


def with_neighbours(rows: Sequence[int], indptr: Sequence[int], indices: Sequence[int]) -> list[int]:
    found = set(rows)
    for row in rows:
        found |= set(indices[indptr[row] : indptr[row + 1]])
    return sorted(found)


def check_csr(indptr: Sequence[int], indices: Sequence[int]) -> int:
    if indptr[0] != 0 or indptr[-1] != len(indices):
        return -2
    for row in range(len(indptr) - 1):
        if not 0 <= indptr[row] <= indptr[row + 1] <= len(indices):
            return row
        if any(not 0 <= k < len(indptr) - 1 for k in indices[indptr[row] : indptr[row + 1]]):
            return row
    return -1
