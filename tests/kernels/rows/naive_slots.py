"""The best sizes to pad to, by trying all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

__all__ = ["best_cost", "cost_of"]


def cost_of(sizes: Sequence[int], slots: Sequence[int]) -> int:
    """Places of all rows, each padded to the smallest slot that holds it."""
    return sum(min(slot for slot in slots if slot >= size) for size in sizes)


def best_cost(sizes: Sequence[int], k: int) -> int:
    """The fewest places with at most k slots."""
    values = sorted(set(sizes))
    rest, largest = values[:-1], values[-1]
    choices = (some for count in range(min(k, len(values))) for some in combinations(rest, count))
    return min(cost_of(sizes, (*some, largest)) for some in choices)
