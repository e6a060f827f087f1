"""The moments of a run, as many as are worth keeping: the last ones all, earlier ones fewer and fewer."""

from __future__ import annotations

import threading
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Kept", "Tape"]

T = TypeVar("T")

RECENT = 240  #: moments that are kept as they came
SPARSE = 4  #: of those before, so many become one; twice as many each time that they are twice as old
LATER = 60  #: moments that come before the earlier ones are looked through again


class Kept(NamedTuple, Generic[T]):
    """A moment and its number, from 1."""

    number: int
    moment: T


class Tape(Generic[T]):
    """A bounded history of a whole run; one writer, readers in any thread.

    A run of any length is covered from its first moment on: the older, the fewer. So 2 Hz stay 2 Hz for two
    minutes; of an hour there are 540 moments, of a day 820, of a month 1,100.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Kept[T]] = []
        self.last = 0  #: number of the last moment

    def add(self, moment: T) -> None:
        """One more."""
        with self._lock:
            self.last += 1
            self._kept.append(Kept(self.last, moment))
            if self.last % LATER == 0:
                self._kept = [kept for kept in self._kept if stays(kept.number, self.last - kept.number)]

    def since(self, number: int) -> list[Kept[T]]:
        """Those that came after a number, oldest first."""
        with self._lock:
            return [kept for kept in self._kept if kept.number > number]

    def moments(self) -> list[T]:
        """All, oldest first."""
        with self._lock:
            return [kept.moment for kept in self._kept]


def stays(number: int, age: int) -> bool:
    """Whether a moment is kept when so many have come after it; the first always is."""
    return age < RECENT or (number - 1) % (SPARSE << (age // RECENT).bit_length() - 1) == 0
