"""Dealing items of different weight to equal hands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["deal"]


@kernel
def deal(hands: NDArray[np.int64], weights: NDArray[np.int64], totals: NDArray[np.int64]) -> None:
    """Give each item to the hand with the smallest total, the lowest of equals.

    Writes the hand of each item, and adds its weight to the total. So no two totals ever differ by
    more than the largest weight.
    """
    for i in range(len(weights)):
        least = 0
        for hand in range(1, len(totals)):
            if totals[hand] < totals[least]:
                least = hand
        hands[i] = least
        totals[least] += weights[i]
