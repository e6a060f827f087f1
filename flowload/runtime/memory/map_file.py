"""How a file in memory is mapped so that its pages can be huge ones."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys

__all__ = ["HUGE", "collapse", "map_file"]

HUGE = 2 << 20  #: bytes of a huge page, where there are such
MADV_COLLAPSE = 25  #: of Linux 6.1 and later; Python has no name for it
MAP_FIXED = 0x10  #: on Linux and macOS


def map_file(fd: int, offset: int, size: int) -> tuple[mmap.mmap, int]:
    """A mapping of a part of a file, shared, and where in it that begins: at the border of a huge page.

    `mmap.mmap` would keep a descriptor for each mapping, and take any address: then no page could be huge.
    """
    addresses = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)}
    memory = mmap.mmap(-1, size + HUGE, **addresses)  # unmapped with all that lies there
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    start = -begin % HUGE
    call = ctypes.CDLL(None, use_errno=True).mmap
    call.restype, number = ctypes.c_void_p, ctypes.c_int
    call.argtypes = ctypes.c_void_p, ctypes.c_size_t, number, number, number, ctypes.c_long
    flags = mmap.MAP_SHARED | MAP_FIXED
    if call(begin + start, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, offset) != begin + start:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return memory, start


def collapse(address: int, size: int) -> None:
    """Have memory that was written to lie in huge pages, where the system can.

    For files in memory, whose pages are small by default: to write a batch took 1.4 x as long in those.
    """
    if sys.platform == "linux":
        call = ctypes.CDLL(None).madvise  # without the interpreter's lock, which `mmap.madvise` keeps
        call.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        call(address, size, MADV_COLLAPSE)
