"""Knowing that nothing can move any more: a bounded network may stand still though data are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Stillness"]


class Stillness:
    """Counts tasks that are parked at a channel or a window.

    A split and a merge may enclose branches that fill unevenly: the merge waits for one branch while
    the split waits for room in the other. When all tasks are parked, each of `remedies` is called, and may
    make room.
    """

    def __init__(self) -> None:
        self.remedies: list[Callable[[], None]] = []
        self._tasks = 0
        self._parked = 0

    @contextmanager
    def task(self) -> Iterator[None]:
        """A task lives inside this context."""
        self._tasks += 1
        try:
            yield
        finally:
            self._tasks -= 1
            self._look()

    @contextmanager
    def parked(self) -> Iterator[None]:
        """A task waits for another task inside this context."""
        self._parked += 1
        self._look()
        try:
            yield
        finally:
            self._parked -= 1

    def _look(self) -> None:
        if self._tasks and self._parked >= self._tasks:
            for remedy in self.remedies:
                remedy()
