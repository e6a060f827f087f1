"""The moments of a run, as many as are worth keeping: the last ones all, earlier ones fewer and fewer."""

from __future__ import annotations

import threading
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Kept", "Tape"]

T = TypeVar("T")

RECENT, MOST = 240, 720  #: of which the last are kept as they came; of the earlier ones every second goes


class Kept(NamedTuple, Generic[T]):
    """A moment and its number, from 1."""

    number: int
    moment: T


class Tape(Generic[T]):
    """A bounded history of a whole run; one writer, readers in any thread.

    A run of any length is covered from its first moment on: when there are more than `MOST`, every second one
    of all but the last `RECENT` goes. So 2 Hz stay 2 Hz for two minutes, and a day has a moment in minutes.
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
            if len(self._kept) > MOST:
                self._kept = self._kept[:-RECENT:2] + self._kept[-RECENT:]

    def since(self, number: int) -> list[Kept[T]]:
        """Those that came after a number, oldest first."""
        with self._lock:
            return [kept for kept in self._kept if kept.number > number]

    def moments(self) -> list[T]:
        """All, oldest first."""
        with self._lock:
            return [kept.moment for kept in self._kept]
