"""One mapping of anonymous memory, perhaps page-locked for a device, and how a lease sees it."""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import numpy as np

from flowload.abc.operators import Bytes, Device
from flowload.platforms import advise

from .map_file import HUGE
from .shared_file import Piece, SharedFile

__all__ = ["LATE", "BufferMemory", "Watch", "release_late"]

UNIX = hasattr(mmap, "MAP_ANONYMOUS")
PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if UNIX else {}
SHARED = {"flags": mmap.MAP_SHARED | mmap.MAP_ANONYMOUS} if UNIX else {}


class Watch(weakref.ref[Any]):
    """Weak reference to a leased buffer, with the memory that the buffer shows."""

    __slots__ = ("memory",)

    memory: BufferMemory


class PinnedMap(mmap.mmap):
    """A mapping that undoes what was done to its pages before they are unmapped.

    By its own finalizer, the one thing that always runs, and before the pages go: the weak references of an
    island of garbage are cleared without being called, where they are part of it, and those to a mapping are
    called when it is unmapped. What stays page-locked is lost, and so is every later mapping at its address.
    """

    undo: Callable[[], bool | None] | None = None
    process = 0

    def release(self) -> None:
        """Undo it now; once, and in the process that did it: a forked child has no card.

        Where the device cannot now, the mapping stays until it can: `LATE` keeps it, also from a finalizer.
        """
        undo, self.undo = self.undo, None
        if undo is not None and os.getpid() == self.process and undo() is False:
            self.undo = undo
            LATE.append(self)

    __del__ = release


class Pinned(Protocol):
    """What a device has prepared."""

    def release(self) -> None:
        """Undo that; where the device cannot now, `LATE` has it again."""


LATE: deque[Pinned] = deque()  #: mappings that nobody uses, and that their device could not release


def release_late() -> None:
    """Release them, those that their device can release by now."""
    for _ in range(len(LATE)):
        with suppress(IndexError):  # another thread was faster
            LATE.popleft().release()


class BufferMemory:
    """A mapping of `size` bytes, prepared for its device; shown to one lease at a time.

    Args:
        size: bytes; whole pages.
        device: page-locks it or the like; None: nobody does.
        file: what it is a piece of, so that another process sees it, too; None: anonymous memory.
    """

    def __init__(self, size: int, device: Device | None, file: SharedFile | None = None) -> None:
        self.size = size
        self.device = device
        self.idle_since = 0  #: the pool's count of leases when it came back
        self.owner = ""  #: who has the lease
        self.file = file
        self.piece: Piece | None = None
        self.settled = file is None
        self.map: mmap.mmap
        if file is None:
            self.map, self.start = anonymous(size, shared=device is not None)
        else:
            self.piece = file.take(size)
            self.map, self.start = self.piece.segment.map, self.piece.segment.base + self.piece.start
        self.kind = ctypes.c_char * size
        self.face = np.frombuffer(self.map, np.uint8, size, self.start)
        self.watch: Watch | None = None
        if device is not None:
            self.prepare(device)

    def prepare(self, device: Device) -> None:
        """Have a device page-lock it, or the like."""
        release_late()
        if device.register(self.face) is not False:
            # Not of `face`: the mapping would never be garbage.
            assert isinstance(self.map, PinnedMap)  # noqa: S101 - memory of two processes has no device
            self.map.undo = partial(unregister, device, address(self.map) + self.start, self.size)
            self.map.process = os.getpid()

    def settle(self) -> None:
        """Before it is used again, the first time."""
        self.settled = True
        if self.file is not None and self.piece is not None:
            self.file.settle(self.piece)

    def show(self, nbytes: int, gone: Callable[[Watch], object], kept: object = None) -> Bytes:
        """The first `nbytes`, through a buffer object of its own; `gone` is called when that ends.

        Then `kept` goes, too: behind that call, so that who sees it go finds the memory returned.
        """
        buffer: Any = self.kind.from_buffer(self.map, self.start)
        if kept is not None:
            buffer.kept = kept
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
        if isinstance(self.map, PinnedMap):
            self.map.release()
        elif self.file is not None and self.piece is not None:
            piece, self.piece = self.piece, None
            self.file.give_back(piece)


def anonymous(size: int, *, shared: bool) -> tuple[PinnedMap, int]:
    """A mapping of memory that no file has, and where in it so many bytes begin.

    Private: a forked child must not write into the parent's batches. But shared for a device: after a fork
    the parent's next write to a private page goes to a copy of it, and the device reads the old one.
    (MADV_DONTFORK would do, but the child would later unmap what lies there by then.)
    """
    # The slack lets the start lie on a huge page's border; it is never touched: it costs addresses alone.
    slack = HUGE - mmap.PAGESIZE if size >= HUGE else 0
    memory = PinnedMap(-1, size + slack, **(SHARED if shared else PRIVATE))
    start = -address(memory) % HUGE if slack else 0
    if slack:
        # One fault then brings 2 MiB in.
        advise(memory, "MADV_HUGEPAGE", start, size // HUGE * HUGE)
    return memory, start


def address(memory: mmap.mmap) -> int:
    """Where it starts."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def unregister(device: Device, start: int, size: int) -> bool | None:
    """Undo a device's preparation of memory that may have no other view any more; False: not now."""
    return device.unregister(np.frombuffer(memoryview((ctypes.c_char * size).from_address(start)), np.uint8))
