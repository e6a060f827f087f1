"""Pieces of a shared file that the reader's process page-locks, so that a device copies from them by itself.

The pages are those that the other process writes to, as long as nobody takes them out of the file: that one
gives none back meanwhile, and pages that a device reads cannot be moved. They are locked piece by piece, for
a segment takes no memory where it was never written to.
"""

from __future__ import annotations

import os

import numpy as np

from flowload.abc.operators import Bytes, Device

from .mapping import LATE, release_late
from .shared_file import Piece, SharedFile

__all__ = ["PageLocks"]


class PageLocks:
    """The pieces of one file that are page-locked; used inside its reader's lock.

    A piece is locked when batches lie in it for the second time. The process that writes to it has it lie in
    huge pages before that, which is not possible later, and what comes only once, such as a last, smaller
    batch, is not worth the milliseconds.

    Args:
        file: as this process maps it.
    """

    def __init__(self, file: SharedFile) -> None:
        self.file = file
        self.last: dict[int, int] = {}  # by number of a piece: where the last batch began that lay in it
        self.locks: dict[int, Lock] = {}  # the same; also those that the device refused

    def see(self, device: Device, segment: int, start: int) -> None:
        """A device will copy from this place. Raises what page-locking raises; then it is tried again."""
        number = self.file.piece_of(segment, start)
        # Batches that are made together lie one behind the other.
        again = start <= self.last.get(number, -1)
        self.last[number] = start
        if again and number not in self.locks:
            self.locks[number] = Lock(device, self.file.pieces[number])

    def release(self) -> list[tuple[int, int, int]]:
        """Undo all, before anything is unmapped; what could not be undone now: segment, start and size."""
        locks, self.locks = self.locks, {}
        for lock in locks.values():
            lock.release()
        return [lock.span for lock in locks.values() if lock.held]


class Lock:
    """One page-locked piece, whose mapping stays until the lock is undone."""

    def __init__(self, device: Device, piece: Piece) -> None:
        release_late()
        self.device = device
        self.piece = piece
        self.process = os.getpid()
        self.held = device.register(self.face()) is not False

    @property
    def span(self) -> tuple[int, int, int]:
        """Where it lies: segment, start and size."""
        return self.piece.segment.number, self.piece.start, self.piece.size

    def face(self) -> Bytes:
        """Its bytes."""
        segment, start, size = self.piece
        return np.frombuffer(segment.map, np.uint8, size, segment.base + start)

    def release(self) -> None:
        """Undo it, in the process that did it; where the device cannot now, `LATE` keeps it until it can."""
        if not self.held or os.getpid() != self.process:
            return
        if self.device.unregister(self.face()) is False:
            LATE.append(self)
        else:
            self.held = False
