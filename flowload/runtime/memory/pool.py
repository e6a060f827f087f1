"""Leased buffers: memory that comes back when its last view is gone, and is then given out again.

Fresh memory costs page faults and does not scale over threads, so memory is kept while it is of use,
and never reused while anybody sees it:

    A lease              has a buffer object of its own (numpy collapses chains of views, so a finalizer
                         on an array would fire while its slices live). Whatever is made of the array
                         (slices, other dtypes, torch tensors, DLPack, memoryviews) keeps that object alive.
    The last view goes   in whichever thread: the callback is a deque's own `append`. It takes no lock,
                         because it may run inside `lease` itself, in a garbage collection; and it runs no
                         Python, because a Ctrl-C that came in there would be lost, and the memory with it.
    The next lease       drains the deque, and takes what was in use last: it is still in the cache.
    The pool is closed   free memory goes at once; leased memory goes with its last view, even after the run.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from flowload.abc.operators import Bytes, Device
from flowload.errors import ClosedRun
from flowload.observe.stats import LeaseStats
from flowload.platforms import size_class

from .mapping import BufferMemory, Watch
from .shared_file import SharedFile

__all__ = ["BufferPool", "BufferStats"]

FITS = 5 / 4  #: free memory serves a lease if it is at most so many times as large
FITS_DEVICE = 8  #: the same of memory that a device prepares: a last, smaller batch prepares no more
SPARE = 2  #: free bytes are kept up to so many times the bytes that were in use lately


class BufferStats(NamedTuple):
    """Counts and sizes of a pool's buffers at one moment."""

    leased: int  #: buffers in use
    leased_bytes: int  #: their size
    free: int  #: buffers that wait for the next lease
    free_bytes: int  #: their size
    made: int  #: buffers allocated since the pool was made
    served: int  #: leases given since the pool was made


class BufferPool:
    """Gives out buffers; safe to call from several threads, and never waits for a buffer.

    Args:
        window: memory that lay free while so many leases were given is let go.
        file: what leases for no device lie in, so that another process sees them; None: anonymous memory.
    """

    def __init__(self, *, window: int = 1 << 14, file: SharedFile | None = None) -> None:
        self.window = window
        self.file = file
        self.lock = threading.Lock()
        self.returned: deque[Watch] = deque()  # filled by callbacks, in any thread
        self.leased: set[BufferMemory] = set()
        self.stacks: dict[tuple[Device | None, int], FreeStack] = {}  # free memory, by device and size
        self.in_use = 0  # bytes
        self.peaks = (0, 0)  # most bytes in use: this window, the one before
        self.made = 0
        self.made_for: Counter[str] = Counter()  # by owner
        self.served = 0
        self.closed = False

    def lease(
        self, nbytes: int, device: Device | None = None, kept: object = None, *, owner: str = ""
    ) -> Bytes:
        """A writable array of exactly `nbytes`, page-aligned, contents undefined; it keeps `kept` alive.

        Memory is registered with its device once, and never changes it. Raises ClosedRun after `close`.
        """
        if nbytes < 0:
            raise ValueError(f"a lease of {nbytes} bytes")
        if nbytes == 0:
            return np.empty(0, np.uint8)
        memory, unused = self.find(size_class(nbytes), device)
        for old in unused:
            old.free()
        fresh = memory is None
        if memory is None:
            # Outside the lock: page-locking takes milliseconds.
            memory = BufferMemory(size_class(nbytes), device, self.file if device is None else None)
        elif not memory.settled:
            memory.settle()
        array = memory.show(nbytes, self.returned.append, kept)
        with self.lock:
            if self.closed:
                memory.tell_instead(self.give_late)
            memory.owner = owner
            self.made_for[owner] += fresh
            self.leased.add(memory)
            self.in_use += memory.size
            self.peaks = max(self.peaks[0], self.in_use), self.peaks[1]
        return array

    def stats(self) -> BufferStats:
        """What is in use and what is free, now."""
        with self.lock:
            self.drain()
            leased = [memory.size for memory in tuple(self.leased)]
            free = [memory.size for stack in self.stacks.values() for memory in stack.free]
            return BufferStats(len(leased), sum(leased), len(free), sum(free), self.made, self.served)

    def owners(self) -> dict[str, LeaseStats]:
        """What each owner has in use, and what was allocated for it."""
        with self.lock:
            self.drain()
            held: dict[str, list[int]] = {owner: [] for owner in self.made_for}
            for memory in tuple(self.leased):
                held.setdefault(memory.owner, []).append(memory.size)
            made = dict(self.made_for)
        return {
            owner: LeaseStats(len(sizes), made.get(owner, 0), sum(sizes)) for owner, sizes in held.items()
        }

    def close(self) -> None:
        """Free what is free; what is leased is freed with its last view. May be called again."""
        with self.lock:
            self.drain()
            self.closed = True
            free = [memory for stack in self.stacks.values() for memory in stack.free]
            self.stacks.clear()
            leased = tuple(self.leased)
        for memory in leased:  # nobody will lease again, so nobody else will drain
            memory.tell_instead(self.give_late)
        free_all(free)
        self.bury()

    def give_late(self, watch: Watch) -> None:
        """Free memory whose last view went after the end: in any thread, at any time, without a lock."""
        self.returned.append(watch)
        self.bury()

    def bury(self) -> None:
        """Free what came back after the end. Several threads may be here: who pops the memory frees it."""
        while (memory := self.pop_returned()) is not None:
            self.leased.discard(memory)
            memory.free()

    def pop_returned(self) -> BufferMemory | None:
        """The memory that came back first."""
        if not self.returned:  # asked for every lease: cheaper than an error
            return None
        try:
            memory = self.returned.popleft().memory
        except IndexError:  # another thread was faster
            return None
        memory.watch = None  # they refer to each other
        return memory

    # `find` takes the lock for all that follows.

    def find(self, size: int, device: Device | None) -> tuple[BufferMemory | None, list[BufferMemory]]:
        """Free memory for a lease if there is any, and memory to let go."""
        with self.lock:
            if self.closed:
                raise ClosedRun("a buffer was asked for after the run was left")
            self.drain()
            self.served += 1
            unused = [] if self.served % self.window else self.roll()
            memory = self.take(size, device)
            if memory is None:
                self.made += 1
                unused += self.trim(size)
            return memory, unused

    def drain(self) -> None:
        """Put returned memory on its stack."""
        while not self.closed and (memory := self.pop_returned()) is not None:
            self.leased.discard(memory)
            self.in_use -= memory.size
            memory.idle_since = self.served
            key = memory.device, memory.size
            if (stack := self.stacks.get(key)) is None:
                stack = self.stacks[key] = FreeStack()
            stack.free.append(memory)

    def take(self, size: int, device: Device | None) -> BufferMemory | None:
        """Free memory that fits: the smallest, and of that the last used."""
        prepared = device is not None or (self.file is not None and self.file.locked)
        bound = size * (FITS_DEVICE if prepared else FITS)
        while size <= bound:
            stack = self.stacks.get((device, size))
            if stack is not None and stack.free:
                return stack.pop()
            size = size_class(size + 1)
        return None

    def roll(self) -> list[BufferMemory]:
        """Begin a new window; the memory that nobody needed in the old one."""
        self.peaks = self.in_use, self.peaks[0]
        unused = [memory for stack in self.stacks.values() for memory in stack.cut()]
        self.stacks = {key: stack for key, stack in self.stacks.items() if stack.free}
        return unused

    def trim(self, size: int) -> list[BufferMemory]:
        """Before `size` more bytes are made: the free memory to let go, longest idle first."""
        free = sorted((m for stack in self.stacks.values() for m in stack.free), key=attrgetter("idle_since"))
        excess = sum(memory.size for memory in free) - SPARE * max(*self.peaks, self.in_use + size)
        unused = []
        for memory in free:
            if excess <= 0:
                break
            self.stacks[memory.device, memory.size].remove(memory)
            excess -= memory.size
            unused.append(memory)
        return unused


def free_all(memories: Iterable[BufferMemory]) -> None:
    """Free each, also behind one whose device cannot: what is left to a finalizer fails unheard.

    Raises what the first raised; how many more did is a note of it.
    """
    errors: list[Exception] = []
    for memory in memories:
        try:
            memory.free()
        except Exception as error:  # noqa: BLE001 - a device may raise anything
            errors.append(error)
    if len(errors) > 1:
        errors[0].add_note(f"so did {len(errors) - 1} more of the buffers that were to be freed")
    if errors:
        raise errors[0]


class FreeStack:
    """Free memory of one size: the last used on top, and how much of it nobody needed lately."""

    def __init__(self) -> None:
        self.free: list[BufferMemory] = []
        self.low = 0  # fewest that were free since the window began

    def pop(self) -> BufferMemory:
        """The last used."""
        memory = self.free.pop()
        self.low = min(self.low, len(self.free))
        return memory

    def remove(self, memory: BufferMemory) -> None:
        """Let go of this one."""
        self.free.remove(memory)
        self.low = min(self.low, len(self.free))

    def cut(self) -> list[BufferMemory]:
        """Begin a new window: take out what lay at the bottom all through the old one."""
        unused, self.free = self.free[: self.low], self.free[self.low :]
        self.low = len(self.free)
        return unused
