"""Memory that is used again, in turn: what a careful user of a loader with threads gives it to write to.

Fresh memory costs a page fault for every 4 KiB, which takes longer than most of what is written there.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Ring", "places"]

T = TypeVar("T")


def places(threads: int) -> int:
    """Pieces that a loader may have in hand: one a thread, as many ahead, and some that wait or are read."""
    return 2 * threads + 6


class Ring(Generic[T]):
    """Gives `count` pieces of memory round and round; from any thread.

    Nobody checks that a piece is done with when its turn comes: whoever uses a ring makes it long enough.
    """

    def __init__(self, count: int, make: Callable[[], T]) -> None:
        self._turns: Iterator[T] = itertools.cycle([make() for _ in range(count)])
        self._taking = threading.Lock()

    def next(self) -> T:
        """The piece whose turn it is."""
        with self._taking:
            return next(self._turns)
