"""Copies of a large column that are taken again and again: in memory that earlier ones have left."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

__all__ = ["Copies"]

FREE = 3  #: references to an array that nobody else has: the list, the loop, and the question


class Copies:
    """Copies of numbers (n, columns) int32, n up to a limit.

    A fresh 12 MB cost 25 ms of page faults and compaction on a busy machine, memory that was there before 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.known: list[NDArray[np.int32]] = []

    def of(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """A copy that is the caller's, who may keep it."""
        for memory in self.known:
            if sys.getrefcount(memory) <= FREE:  # a view of it counts as one
                break
        else:
            memory = np.empty((self.limit, numbers.shape[1]), np.int32)
            self.known.append(memory)
        copy = memory[: len(numbers)]
        copy[:] = numbers
        return copy

    def clear(self) -> None:
        """Let go of what is kept."""
        self.known.clear()
