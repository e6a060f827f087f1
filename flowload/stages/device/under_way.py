"""Copies that may not be done: what they read stays alive until they are. Imports torch: see `cuda`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from .page_lock import forbids
from .places import UNDER_WAY

__all__ = ["Event", "Underway"]


class Event(Protocol):
    """The methods of `torch.cuda.Event` that are used here."""

    def query(self) -> bool:
        """Everything that was queued before it is done."""

    def synchronize(self) -> None:
        """Wait until the event has happened."""


#: Copies of runs that ended while somebody captured a graph, when nobody may ask whether they are done.
LEFT: deque[tuple[Event, object]] = deque()


def left() -> Iterator[tuple[Event, object]]:
    """Those, taken by one thread each."""
    with suppress(IndexError):
        while True:
            yield LEFT.popleft()


class Underway:
    """Copies that may not be done, oldest first, each with what it reads; used by several threads.

    Args:
        most: that may be under way.
    """

    def __init__(self, most: int = UNDER_WAY) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.copies: deque[tuple[Event, object]] = deque()

    def add(self, done: Event, source: object, *, at_once: bool = False) -> None:
        """Keep `source` alive until the event has completed, and let go of what completed before.

        Waits for the oldest where too many are under way; `at_once`: for all of them.
        """
        with self.lock:
            self.copies.append((done, source))
            while len(self.copies) > (0 if at_once else self.most):
                self.copies[0][0].synchronize()
                self.copies.popleft()
            while self.copies and self.copies[0][0].query():
                self.copies.popleft()

    def room(self) -> bool:
        """Whether one more may be added without waiting for another."""
        with self.lock:
            while self.copies and self.copies[0][0].query():
                self.copies.popleft()
            return len(self.copies) < self.most

    def finish(self) -> None:
        """Wait for all copies, and let go of what they read; while a graph is captured the next run does."""
        with self.lock:
            self.copies.extend(left())
            while self.copies:
                try:
                    self.copies[0][0].synchronize()
                except RuntimeError as error:
                    if not forbids(error):
                        raise
                    LEFT.extend(self.copies)
                    self.copies.clear()
                    return
                self.copies.popleft()
