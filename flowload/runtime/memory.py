"""One mapping of anonymous memory, and how a lease sees it."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from flowload.protocols import Bytes, Device

__all__ = ["Memory", "Watch"]

HUGE = 2 << 20  #: bytes of a huge page
FLAGS = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


class Watch(weakref.ref[Any]):
    """Tells somebody when a buffer is gone, and knows whose memory that showed."""

    __slots__ = ("memory",)

    memory: Memory


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
        self.watch: Watch | None = None
        if device is not None:
            device.register(self.face)

    def show(self, nbytes: int, gone: Callable[[Watch], object]) -> Bytes:
        """The first `nbytes`, through a buffer object of its own; `gone` is called when that ends."""
        buffer = self.kind.from_buffer(self.map, self.start)
        self.tell(buffer, gone)
        return np.frombuffer(memoryview(buffer), np.uint8, nbytes)

    def tell_instead(self, gone: Callable[[Watch], object]) -> None:
        """Have somebody else called when the present showing ends, unless it has ended."""
        buffer = None if self.watch is None else self.watch()
        if buffer is not None:
            self.tell(buffer, gone)

    def tell(self, buffer: object, gone: Callable[[Watch], object]) -> None:
        """Call `gone` when the buffer ends; nobody else is told any more."""
        watch = Watch(buffer, gone)
        watch.memory = self
        self.watch = watch

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
