"""Files in memory: mapped, with whoever cuts them in mind; or copied, where a map could mislead a kernel."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .faults import Range, faults
from .identity import Identity, identify

__all__ = ["Mapped", "map_fd", "maps_of", "watch_memory", "watch_range"]


class Mapped(mmap.mmap):
    """A file's bytes, read-only; what is read behind its end, where it has become shorter, is zeros.

    Unmapped with the last array that lies on it, not by `close`.
    """

    range: Range | None = None
    fd: int = -1  #: of the file, whatever its path leads to

    @property
    def cut(self) -> bool:
        """Whether somebody read behind the end of the file."""
        return self.range is not None and self.range.hit

    def release(self) -> None:
        """Watch the range no more."""
        given, self.range = self.range, None
        if given is not None:
            given.release()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.release()  # before it is unmapped: the next map may lie at its address


def map_fd(fd: int) -> tuple[Mapped, Identity]:
    """Map an open file that has bytes, and its identity. Raises OSError, and ValueError for an empty one."""
    found = identify(fd)
    memory = Mapped(fd, found.size, access=mmap.ACCESS_READ)
    memory.fd = os.dup(fd)
    memory.range = watch_range(np.frombuffer(memory, np.uint8))
    return memory, found


def watch_range(array: NDArray[Any]) -> Range | None:
    """Watch the pages that an array lies on; None where nothing can be watched."""
    begin = array.ctypes.data
    first, end = begin - begin % mmap.PAGESIZE, begin + array.nbytes
    return watch_memory(first, -(-(end - first) // mmap.PAGESIZE) * mmap.PAGESIZE)


def watch_memory(begin: int, size: int) -> Range | None:
    """Watch whole pages; None where nothing can be watched."""
    known = faults()
    return known.add(begin, size) if known is not None and size else None


def maps_of(file: Identity) -> list[tuple[int, int]]:
    """Where this process has mapped a file, whoever did: first byte, and bytes. Nowhere but on Linux."""
    found: list[tuple[int, int]] = []
    with suppress(OSError), Path("/proc/self/maps").open() as lines:
        for line in lines:
            addresses, _, _, device, inode, *_ = line.split()
            major, minor = (int(part, 16) for part in device.split(":"))
            if int(inode) == file.inode and os.makedev(major, minor) == file.device:
                begin, end = (int(address, 16) for address in addresses.split("-"))
                found.append((begin, end - begin))
    return found
