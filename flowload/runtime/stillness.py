"""Knowing that nothing can move any more: a bounded network may stand still though data are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flowload.runtime.loop import Signal

__all__ = ["Spot", "Stillness"]


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
            self.look()

    def count(self, parked: int) -> None:
        """So many tasks more (or fewer) are parked."""
        self._parked += parked

    def look(self) -> None:
        """If nothing can move, call the remedies."""
        if self._tasks and self._parked >= self._tasks:
            for remedy in self.remedies:
                remedy()


class Spot:
    """Where one task is parked once. It counts as parked until it is woken, not until it runs again."""

    __slots__ = ("_signal", "_still", "_woken")

    def __init__(self, still: Stillness) -> None:
        self._still = still
        self._signal = Signal()
        self._woken = False
        still.count(1)

    def wake(self) -> None:
        """Let the task go on; in the loop."""
        if not self._woken:
            self._woken = True
            self._still.count(-1)
            self._signal.set()

    async def wait(self) -> None:
        """Park until somebody calls `wake`."""
        try:
            self._still.look()
            await self._signal
        finally:
            self.wake()
