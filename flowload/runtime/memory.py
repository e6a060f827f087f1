"""One mapping of anonymous memory, and how a lease sees it."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Callable

import numpy as np

from flowload.protocols import Bytes, Device

__all__ = ["Memory"]

HUGE = 2 << 20  #: bytes of a huge page
FLAGS = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


class Memory:
    """A mapping of `size` bytes, prepared for its device; shown to one lease at a time.

    Args:
        size: bytes; whole pages.
        device: page-locks it or the like; None: nobody does.
    """

    def __init__(self, size: int, device: Device | None) -> None:
        self.size = size
        self.device = device
        self.idle_since = 0  #: the pool's count of leases when it came back
        # Private, not shared: a forked child must not write into the parent's batches. The slack lets the
        # start lie on a huge page's border; it is never touched, so it costs addresses, not memory.
        slack = HUGE - mmap.PAGESIZE if size >= HUGE else 0
        self.map = mmap.mmap(-1, size + slack, **FLAGS)
        self.start = -address(self.map) % HUGE if slack else 0
        if slack:
            advise_huge(self.map, self.start, size // HUGE * HUGE)
        self.kind = ctypes.c_char * size
        self.face = np.frombuffer(self.map, np.uint8, size, self.start)
        self.watch: weakref.ref[ctypes.Array[ctypes.c_char]] | None = None
        if device is not None:
            device.register(self.face)

    def show(self, nbytes: int, gone: Callable[[Memory], None]) -> Bytes:
        """The first `nbytes`, through a buffer object of its own; `gone` is called when that ends."""
        buffer = self.kind.from_buffer(self.map, self.start)
        self.watch = weakref.ref(buffer, lambda _: gone(self))
        return np.frombuffer(memoryview(buffer), np.uint8, nbytes)

    def free(self) -> None:
        """Undo the device's preparation; the mapping itself goes with the last reference to it.

        It cannot be closed by hand: `face` is an exported buffer.
        """
        if self.device is not None:
            self.device.unregister(self.face)


def address(memory: mmap.mmap) -> int:
    """Where it starts."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def advise_huge(memory: mmap.mmap, start: int, length: int) -> None:
    """Ask for huge pages, where the system has them: one fault then brings 2 MiB in."""
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return
    try:
        memory.madvise(advice, start, length)
    except OSError:
        return  # a kernel built without them: small pages work as well
