"""What differs between systems. Imported before anything else: one that cannot run flowload is told so here.

Linux and macOS, little-endian. Windows has neither the file locks nor the mappings that flowload relies on.
"""

from __future__ import annotations

import mmap
import sys

__all__ = ["advise", "complaint", "size_class"]


def complaint() -> str | None:
    """Why flowload does not run here, in one line; None: it does."""
    if sys.platform in ("win32", "cygwin"):
        return "flowload runs on Linux and macOS; on Windows, run it in WSL 2, its Subsystem for Linux"
    if sys.byteorder != "little":
        return "flowload runs on little-endian machines (x86-64, arm64); this one is big-endian"
    return None


LARGE = 64 << 20  #: bytes from which a size class is finer


def advise(memory: mmap.mmap, name: str, start: int, length: int) -> bool:
    """Tell the kernel how memory will be used; whether it took the advice, which nothing may depend on.

    A kernel may be built without what is asked for (it then refuses), and a system may not know the word.

    Args:
        name: of the advice, such as "MADV_HUGEPAGE".
    """
    advice = getattr(mmap, name, None)
    if advice is None:
        return False
    try:
        memory.madvise(advice, start, length)
    except OSError:
        return False
    return True


if (reason := complaint()) is not None:
    raise ImportError(reason)


def size_class(nbytes: int) -> int:
    """The size in bytes of the memory for a lease: at most 1/8 more, of large ones 1/64, in whole pages.

    Slightly different sizes share a class, so that they reuse each other's memory. Windows of a recording are
    gigabytes, all of one size, and page-locked: what is more than they need would be taken from the machine.
    """
    fine = 7 if nbytes > LARGE else 4
    step = max(mmap.PAGESIZE, 1 << max(0, (nbytes - 1).bit_length() - fine))
    return -(-nbytes // step) * step
