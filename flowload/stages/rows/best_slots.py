"""`fl.best_slots`: the few sizes that rows of many sizes are padded to with the least padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flowload.abc.stage import check_counts
from flowload.errors import GraphError
from flowload.graph.keywords import names_keywords
from flowload.kernels.rows.slots import best_cuts

__all__ = ["best_slots"]

MOST = 1 << 31  #: a size, at most: sums of so many rows of it stay within 64 bits


@names_keywords
def best_slots(sizes: ArrayLike, k: int) -> tuple[int, ...]:
    """At most k sizes to pad rows to, rising, so that the padding of all rows is the least.

    Each row has the smallest that holds it. Exact, by dynamic programming; fewer than k where there are fewer
    different sizes. What it promises comes true where batches hold rows of one slot: behind `bucket`, nearly;
    with `batch(atoms=)`, always.

    Args:
        sizes: of every row, from 1; such as `n_atoms.npy` of a packed folder.
        k: sizes at most: shapes that a compiler will meet.

    Raises GraphError for sizes or a number that cannot be.

    Examples:
        >>> fl.best_slots([3, 3, 3, 9, 10, 21], 2)
        (10, 21)
        >>> fl.best_slots([3, 3, 3, 9, 10, 21], 3)
        (3, 10, 21)
    """
    given = np.asarray(sizes).reshape(-1)
    check_counts("best_slots", k=k)
    if not len(given) or given.dtype.kind not in "iu" or given.min() < 1 or given.max() >= MOST:
        found = f"{given.min()} to {given.max()}" if len(given) else "none"
        raise GraphError(f"best_slots: sizes are {given.dtype}, {found}; wanted whole numbers from 1")
    values, counts = np.unique(given.astype(np.int64), return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    cuts = np.empty((min(k, len(values)), len(values) + 1), np.int32)
    best_cuts(values, below, np.empty((2, len(values) + 1), np.int64), cuts)
    found_slots, end = [], len(values)
    for layer in cuts[::-1]:
        if end:
            found_slots.append(int(values[end - 1]))
            end = int(layer[end])
    return tuple(reversed(found_slots))
