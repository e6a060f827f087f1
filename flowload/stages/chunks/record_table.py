"""A large table of records that takes memory only as it fills."""

from __future__ import annotations

import mmap
import sys

import numpy as np

from flowload.abc.operators import Bytes
from flowload.blocks import ORIGIN
from flowload.kernels.rows.gather import widen
from flowload.platforms import advise

__all__ = ["RecordTable"]

FIRST = 1024  #: rows at first


class RecordTable:
    """Rows of bytes and where each came from; grows by doubling up to `limit` rows.

    The bytes lie in a mapping of their own: pages that were never written cost nothing, the system may
    use huge pages (a random access then costs one entry of the address cache instead of three), and
    where it can, it makes the mapping longer without copying a byte.

    Args:
        limit: rows at most.
        in_place: the system can make a mapping longer.
    """

    def __init__(self, limit: int, *, in_place: bool = sys.platform == "linux") -> None:
        self.limit = limit
        self.in_place = in_place
        self.stride = 0
        self.memory: mmap.mmap | None = None
        self.rows: Bytes = np.empty((0, 0), np.uint8)
        self.origin = np.empty(0, ORIGIN)

    def reserve(self, count: int, stride: int, used: int) -> None:
        """Have at least `count` rows of at least `stride` bytes; the first `used` keep what they hold."""
        if stride > self.stride:
            self.lay_out(max(count, len(self.rows)), stride, used)
        elif count > len(self.rows):
            self.lay_out(min(max(count, 2 * len(self.rows), FIRST), self.limit), self.stride, used)

    def lay_out(self, count: int, stride: int, used: int) -> None:
        """Make a table of this shape of the present one."""
        memory, rows = self.memory, self.rows
        if memory is not None and stride == self.stride and self.in_place:
            # No view of a mapping may exist while it moves.
            del rows
            self.rows = np.empty((0, 0), np.uint8)
            memory.resize(count * stride)
            self.rows = as_rows(memory, count, stride)
        else:
            self.memory = new_mapping(count * stride)
            self.rows = as_rows(self.memory, count, stride)
            widen(self.rows[:used], rows[:used])
        origin = np.empty(count, ORIGIN)
        known = min(len(self.origin), count)
        origin[:known] = self.origin[:known]
        self.origin, self.stride = origin, stride

    def close(self) -> None:
        """Unmap the memory."""
        self.memory = None
        self.stride = 0
        self.rows = np.empty((0, 0), np.uint8)
        self.origin = np.empty(0, ORIGIN)


def new_mapping(nbytes: int) -> mmap.mmap:
    """Zeroed memory that is not there before it is written."""
    # Private: a shared anonymous mapping cannot be made longer.
    memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    advise(memory, "MADV_HUGEPAGE", 0, nbytes)
    return memory


def as_rows(memory: mmap.mmap, count: int, stride: int) -> Bytes:
    """A mapping as a table. It stays mapped as long as the array lives."""
    return np.frombuffer(memory, np.uint8, count * stride).reshape(count, stride)
