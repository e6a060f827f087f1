"""Copies of a large column that are taken again and again: in memory that is there before."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

__all__ = ["Copies"]

FREE = 3  #: references to an array that nobody else has: the entry, the loop, and the question
PIECE = 1 << 16  #: numbers (256 KiB) that one `warm` touches: 64 pages, 20 to 60 us
PAGE = 1 << 10  #: numbers of a page
LEAST = 1 << 22  #: rows that there is room for at least, up to the limit: what nobody touches takes no memory


class Copies:
    """Copies of numbers (n, columns) int32, n up to a limit.

    A fresh 12 MB cost 15 to 25 ms of page faults and compaction on a busy machine, memory that was there
    before 1. So whoever will be asked for a copy warms the memory for it between its calls, piece by piece.

    Args:
        limit: rows of a copy, at most.
        columns: numbers of a row.
    """

    def __init__(self, limit: int, columns: int = 3) -> None:
        self.limit = limit
        self.columns = columns
        self.known: list[tuple[NDArray[np.int32], int]] = []  #: of earlier copies, and how much is there
        self.next: NDArray[np.int32] | None = None  #: what the next copy takes
        self.there = 0  #: numbers of it that need no page fault any more
        self.cold = 0  #: bytes that were copied into memory that was not there

    def warm(self, rows: int) -> None:
        """Touch a piece of what a copy of so many rows will take; a look where all of it is there."""
        if self.next is not None and self.there >= rows * self.columns:
            return
        memory = self.prepared(rows)
        end = max(self.there, min(self.there + PIECE, rows * self.columns))
        memory.reshape(-1)[self.there : end : PAGE] = 0
        self.there = end

    def of(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """A copy that is the caller's, who may keep it."""
        memory = self.prepared(len(numbers))
        self.cold += max(0, numbers.size - self.there) * numbers.itemsize
        self.known.append((memory, max(self.there, numbers.size)))
        self.next = None
        copy = memory[: len(numbers)]
        copy[:] = numbers
        return copy

    def prepared(self, rows: int) -> NDArray[np.int32]:
        """The memory of the next copy: what an earlier one has left, or new, for more than that."""
        if self.next is None or len(self.next) < rows:
            self.next, self.there = self.left(rows) or (
                np.empty((min(self.limit, max(LEAST, 2 * rows)), self.columns), np.int32),
                0,
            )
        return self.next

    def left(self, rows: int) -> tuple[NDArray[np.int32], int] | None:
        """Memory for so many rows that an earlier copy has left; what is too small is let go of."""
        self.known = [entry for entry in self.known if len(entry[0]) >= rows]
        for place, (memory, there) in enumerate(self.known):
            if sys.getrefcount(memory) <= FREE:  # a view of it counts as one
                del self.known[place]
                return memory, there
        return None

    def clear(self) -> None:
        """Let go of what is kept."""
        self.known.clear()
        self.next, self.there = None, 0
