"""The few sizes that rows of many sizes are best padded to, by dynamic programming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["best_cuts", "fill_layer"]

Ints = NDArray[np.int64]

DEEP = 128  #: spans that wait at once: two for each halving of at most 2**62 sizes, and some to spare


@kernel
def best_cuts(sizes: Ints, below: Ints, costs: Ints, cuts: NDArray[np.int32]) -> None:
    """Cut rising sizes into at most k groups, each padded to its largest, with the least padding in all.

    Args:
        sizes: (m,), rising, each once.
        below: (m + 1,): rows of a size before the j-th.
        costs: (2, m + 1), scratch; the last layer that was written is that of k groups.
        cuts: (k, m + 1), written to: where the last group begins of the best cut of the first j sizes into at
            most t + 1 groups.
    """
    for j in range(1, len(sizes) + 1):
        costs[0, j], cuts[0, j] = sizes[j - 1] * below[j], 0
    costs[0, 0] = costs[1, 0] = cuts[0, 0] = 0
    for t in range(1, len(cuts)):
        cuts[t, 0] = 0
        fill_layer(sizes, below, costs[(t - 1) % 2], costs[t % 2], cuts[t])


@kernel
def fill_layer(sizes: Ints, below: Ints, known: Ints, costs: Ints, cuts: NDArray[np.int32]) -> None:
    """Write the best costs and cuts with one more group than `known`.

    The best cut rises with j, for padding rows to a size costs more the larger it is: so the middle of a span
    is decided first, and bounds both halves. Each level looks at no more than twice m cuts.
    """
    waiting = np.empty((DEEP, 4), np.int64)
    waiting[0] = np.array([1, len(sizes), 0, len(sizes) - 1])
    count = 1
    while count:
        count -= 1
        first, last, low, high = waiting[count]
        if first > last:
            continue
        j = (first + last) // 2
        best, at = known[low] + sizes[j - 1] * (below[j] - below[low]), low
        for i in range(low + 1, min(high, j - 1) + 1):
            cost = known[i] + sizes[j - 1] * (below[j] - below[i])
            if cost < best:
                best, at = cost, i
        costs[j], cuts[j] = best, at
        waiting[count] = np.array([first, j - 1, low, at])
        waiting[count + 1] = np.array([j + 1, last, at, high])
        count += 2
