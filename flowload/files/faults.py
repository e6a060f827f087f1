"""Memory maps that may become shorter while somebody reads them: a fault in one is noted instead of fatal.

When a mapped file is cut, the system answers a read behind its new end with SIGBUS, and a process without a
handler dies without a word. To ask for the size before each read would be of no use (it may change right
after) and cost a system call a row. So the ranges of our maps are written into a table, and a handler (see
`handler`) puts zeros where the file was and sets the range's flag. Whoever has read a range asks for its
flag before he hands on what he read; while nothing happens, all this costs one look at a word in memory.

Linux only, on 64-bit machines; elsewhere a map that is cut ends the process, as without flowload.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import signal
import sys
import threading
from functools import cache
from typing import NamedTuple

from .handler import ACTION, FORMERS, RANGE, WORDS, Handler, compile_handler

__all__ = ["Faults", "Range", "faults"]

log = logging.getLogger("flowload")

RANGES = 1 << 16  #: more than maps that Linux gives to a process
FLAGS_AT = 136  #: of the flags in a `struct sigaction`
FLAGS = 0x00000004 | 0x40000000 | 0x08000000  #: with its address; in its own midst; on a stack that is whole


class Range(NamedTuple):
    """A range of memory over a mapped file that is watched for faults."""

    slot: int
    faults: Faults

    @property
    def hit(self) -> bool:
        """Whether something was read that is not there; stays true."""
        return self.faults.words[WORDS + RANGE * self.slot + 2] != 0

    def release(self) -> None:
        """Watch it no more; before it is unmapped, for the next map may lie there."""
        self.faults.remove(self.slot)


class Faults:
    """The table of ranges, and the handler that reads it; see `faults`."""

    def __init__(self) -> None:
        # Private: a forked child goes on with a copy of its own, as its maps do.
        size = 8 * (WORDS + RANGE * RANGES)
        self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.words = memoryview(self.memory).cast("q")
        self.formers = ctypes.create_string_buffer(ACTION * (FORMERS + 1))
        begin = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.handler: Handler = compile_handler(begin, ctypes.addressof(self.formers))
        self.sigaction = ctypes.CDLL(None, use_errno=True).sigaction
        self.free: list[int] = []
        self.lock = threading.Lock()

    @property
    def any(self) -> bool:
        """Whether there ever was one in a range that is or was watched; else no range needs to be asked."""
        return self.words[2] != 0

    def add(self, begin: int, size: int) -> Range | None:
        """Watch a range of memory; None where there is no room for another."""
        with self.lock:
            self.install()
            slot = self.free.pop() if self.free else self.words[0]
            if slot == RANGES:
                return None
            at = WORDS + RANGE * slot
            self.words[at + 2] = 0
            self.words[at + 1] = begin + size  # the first byte is last: a range from 0 to 0 is none
            self.words[at] = begin
            self.words[0] = max(self.words[0], slot + 1)
        return Range(slot, self)

    def remove(self, slot: int) -> None:
        """Watch a range no more."""
        at = WORDS + RANGE * slot
        # Its end is first: what is between 0 and 0 is nothing. No lock: a finaliser may come at any point.
        self.words[at + 1] = 0
        self.words[at] = 0
        self.free.append(slot)

    def stay(self) -> None:
        """Come back, where somebody put another handler in this one's place."""
        with self.lock:
            self.install()

    def install(self) -> None:
        """Make the handler that of the process, if it is not; who was there is handed on to."""
        found = ctypes.create_string_buffer(ACTION)
        self.act(None, found)
        if address_of(found) == self.handler.address:
            return
        self.keep(found)
        action = ctypes.create_string_buffer(ACTION)
        ctypes.c_uint64.from_buffer(action).value = self.handler.address
        ctypes.c_int.from_buffer(action, FLAGS_AT).value = FLAGS
        self.act(action, None)

    def keep(self, former: ctypes.Array[ctypes.c_char]) -> None:
        """Hand on to this action from now on, and to those before it where it hands on itself."""
        depth = self.words[1]
        known = [self.formers.raw[ACTION * k : ACTION * (k + 1)] for k in range(depth)]
        others = [one for one in known if one[:8] != former.raw[:8]]
        kept = [*others[-(FORMERS - 1) :], former.raw]
        self.words[1] = 0  # while they are moved, the system's own way
        ctypes.memmove(self.formers, b"".join(kept), ACTION * len(kept))
        self.words[1] = len(kept)

    def act(self, new: ctypes.Array[ctypes.c_char] | None, old: ctypes.Array[ctypes.c_char] | None) -> None:
        """Call the system's `sigaction`. Raises OSError."""
        if self.sigaction(int(signal.SIGBUS), new, old):
            raise OSError(ctypes.get_errno(), "SIGBUS cannot be handled")


def address_of(action: ctypes.Array[ctypes.c_char]) -> int:
    """The handler of an action."""
    return ctypes.c_uint64.from_buffer(action).value


@cache
def faults() -> Faults | None:
    """Those of this process; None where the system is another."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    return Faults()
