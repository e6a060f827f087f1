"""One file without a name that two processes map: leases that both see where they lie.

Its pages are memory. It has no name, so that nothing is left of it when the last process that maps it has
ended, whoever is killed. It is mapped in segments of `SEGMENT`, which cost addresses until they are written
to; both processes keep them to the end, so that a batch is told by a segment, a place and its layout.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from flowload.platforms import advise
from flowload.processes.child import nameless

from .map_file import HUGE, collapse, map_file

__all__ = ["Piece", "Segment", "SharedFile"]

SEGMENT = 256 << 20  #: bytes of a segment, at least


class Segment(NamedTuple):
    """A part of the file, as this process maps it."""

    number: int
    offset: int  #: in the file
    size: int
    map: mmap.mmap
    base: int  #: where it begins there
    address: int  #: where it lies in this process


class Piece(NamedTuple):
    """A part of a segment, in whole pages."""

    segment: Segment
    start: int
    size: int


class SharedFile:
    """A file that is mapped here, and in another process.

    Args:
        fd: of a file that another process has made, and which is closed with this; None: a new one.
        locked: its reader page-locks pieces, for a device that then reads those pages, whatever becomes of
            the file: no page goes before all do.
    """

    def __init__(self, fd: int | None = None, *, locked: bool = False) -> None:
        self.fd = nameless() if fd is None else fd
        self.locked = locked
        self.segments: list[Segment] = []  #: as they were mapped
        self.pieces: list[
            Piece
        ] = []  #: all that were ever cut, in the order of the file; they stay as they are
        self.begins: list[tuple[int, int]] = []  # of pieces: segment and start
        self.lock = threading.Lock()
        self.used = 0  # bytes of the last segment
        self.free: dict[int, list[Piece]] = {}  # by size
        self.returned: deque[Piece] = deque()  # filled by finalizers, in any thread: no lock
        self.addresses: tuple[list[int], list[Segment]] = ([], [])  # in their order; replaced, never changed

    def take(self, size: int) -> Piece:
        """A piece that nobody uses, its contents undefined."""
        with self.lock:
            while self.returned:
                piece = self.returned.popleft()
                self.free.setdefault(piece.size, []).append(piece)
            if found := self.free.get(size):
                return found.pop()
            align = HUGE if size >= HUGE else mmap.PAGESIZE
            start = -(-self.used // align) * align
            if not self.segments or start + size > self.segments[-1].size:
                last = self.segments[-1] if self.segments else None
                offset = 0 if last is None else last.offset + last.size
                room = -(-max(SEGMENT, size) // HUGE) * HUGE
                os.ftruncate(self.fd, offset + room)
                self.map(offset, room)
                start = 0
            self.used = start + size
            return self.cut(self.segments[-1].number, start, size)

    def cut(self, segment: int, start: int, size: int) -> Piece:
        """A piece behind all others; in the reader's process: that the other one has cut."""
        piece = Piece(self.segments[segment], start, size)
        self.pieces.append(piece)
        self.begins.append((segment, start))
        return piece

    def piece_of(self, segment: int, start: int) -> int:
        """Number of the piece in which a place lies."""
        return bisect_right(self.begins, (segment, start)) - 1

    def give_back(self, piece: Piece) -> None:
        """Let go of a piece that nobody sees in either process: its pages go. In any thread; no lock."""
        segment, start, size = piece
        if not self.locked:
            advise(segment.map, "MADV_REMOVE", segment.base + start, size)
        self.returned.append(piece)

    def settle(self, piece: Piece) -> None:
        """Have a piece lie in huge pages, when it was written to and is about to be used again.

        Not before: that takes 2 ms for each MiB, and the first batch would wait for it.
        """
        if piece.size >= HUGE:
            collapse(piece.segment.address + piece.start, piece.size // HUGE * HUGE)

    def map(self, offset: int, size: int) -> Segment:
        """Map a segment, here, behind those that are mapped."""
        memory, base = map_file(self.fd, offset, size)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + base
        made = Segment(len(self.segments), offset, size, memory, base, address)
        self.segments.append(made)
        found = sorted(self.segments, key=lambda each: each.address)
        self.addresses = [each.address for each in found], found
        return made

    def find(self, address: int, nbytes: int) -> tuple[Segment, int] | None:
        """The segment in which so many bytes lie, and where in it; None: they lie elsewhere."""
        begins, found = self.addresses
        place = bisect_right(begins, address) - 1
        if place < 0:
            return None
        segment = found[place]
        start = address - segment.address
        return (segment, start) if start + nbytes <= segment.size else None

    def keep(self, used: Iterable[tuple[int, int, int]]) -> None:
        """Let go of all pages but those that are in use: segment, start and size of each.

        When the other process is gone: a view that is kept holds the whole mapping, but not its pages.
        """
        ends = [0] * len(self.segments)
        gaps = []
        for number, start, size in sorted(used):
            gaps.append((number, ends[number], start))
            ends[number] = max(ends[number], start + size)
        gaps += [(number, end, self.segments[number].size) for number, end in enumerate(ends)]
        for number, start, end in gaps:
            begin, until = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
            if until > begin:
                segment = self.segments[number]
                advise(segment.map, "MADV_REMOVE", segment.base + begin, until - begin)

    def close(self) -> None:
        """Nothing more is mapped. What is seen stays, with its mapping."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.segments, self.addresses = [], ([], [])
        self.pieces, self.begins = [], []
        self.free.clear()
        self.returned.clear()
