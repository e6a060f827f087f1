"""Files in memory: mapped, with whoever cuts them in mind; or copied, where a map could mislead a kernel."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .faults import Range, faults
from .identity import Identity, identify

__all__ = ["Mapped", "map_fd", "watch_range"]


class Mapped(mmap.mmap):
    """A file's bytes, read-only; what is read behind its end, where it has become shorter, is zeros.

    Unmapped with the last array that lies on it, not by `close`.
    """

    range: Range | None = None

    @property
    def cut(self) -> bool:
        """Whether somebody read behind the end of the file."""
        return self.range is not None and self.range.hit

    def release(self) -> None:
        """Watch the range no more."""
        given, self.range = self.range, None
        if given is not None:
            given.release()

    def __del__(self) -> None:
        self.release()  # before it is unmapped: the next map may lie at its address


def map_fd(fd: int) -> tuple[Mapped, Identity]:
    """Map an open file that has bytes, and its identity. Raises OSError, and ValueError for an empty one."""
    found = identify(fd)
    memory = Mapped(fd, found.size, access=mmap.ACCESS_READ)
    memory.range = watch_range(np.frombuffer(memory, np.uint8))
    return memory, found


def watch_range(array: NDArray[Any]) -> Range | None:
    """Watch the pages that an array lies on; None where nothing can be watched."""
    known = faults()
    if known is None or not array.nbytes:
        return None
    begin = array.ctypes.data
    first, end = begin - begin % mmap.PAGESIZE, begin + array.nbytes
    return known.add(first, -(-(end - first) // mmap.PAGESIZE) * mmap.PAGESIZE)
