"""What a function that loads windows was asked, and how many of its arrays are still held."""

from __future__ import annotations

import threading
import weakref
from typing import Any

__all__ = ["Loads"]


class Loads:
    """An account of calls; a subclass makes the arrays, and notes the first of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self.alive: list[weakref.ref[Any]] = []
        self.changed = threading.Condition()

    def note(self, start: int, end: int, array: Any) -> None:
        """A call is over."""
        with self.changed:
            self.calls.append((start, end))
            self.alive.append(weakref.ref(array))
            self.changed.notify_all()

    def wait(self, calls: int) -> None:
        """Until so many are over."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) >= calls, 20)

    def living(self) -> int:
        """Arrays that somebody holds."""
        return sum(ref() is not None for ref in self.alive)
