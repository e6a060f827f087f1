"""Who may change a run, and knowing that nothing in it can move any more.

Whoever has news (a lane's thread that finished a call, a source in the event loop, the reader) brings it
in `with moves:`, and does at once what follows from it: it sends on, begins the next calls, wakes who
waits. So a block goes on without waiting for the event loop, which has nothing to do with most blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from .eventloop import Signal

__all__ = ["Moves", "Spot", "Stillness"]


class Moves:
    """One lock for all that a run's stages share, and what is due before it is given up.

    What follows from a change is called here, by the one who holds the lock, and never from within another
    such call: a chain of stages of any length needs no deeper stack.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0
        self._due: deque[Callable[[], None]] = deque()
        self.rest: Callable[[], None] | None = None  #: called when nothing is due any more

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        try:
            if self._depth == 1:
                self._settle()
        finally:
            self._depth -= 1
            self._lock.release()

    def due(self, move: Callable[[], None]) -> None:
        """Have this called before the lock is given up; inside `with moves:`."""
        self._due.append(move)

    def _settle(self) -> None:
        while True:
            while self._due:
                self._due.popleft()()
            if self.rest is not None:
                self.rest()
            if not self._due:
                return


class Stillness:
    """Counts tasks that are parked: they wait for a block, or for room.

    A split and a merge may enclose branches that fill unevenly: the merge waits for one branch while
    the split waits for room in the other. When all tasks are parked, each of `remedies` is called, and may
    make room.
    """

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.remedies: list[Callable[[], None]] = []
        self.checks: list[Callable[[], None]] = []  #: called whenever the lock is given up
        self._tasks = 0
        self._parked = 0

    @contextmanager
    def task(self) -> Iterator[None]:
        """A task lives inside this context."""
        with self.moves:
            self._tasks += 1
        try:
            yield
        finally:
            with self.moves:
                self._tasks -= 1

    def count(self, parked: int) -> None:
        """So many tasks more (or fewer) are parked; inside `with moves:`."""
        self._parked += parked

    def look(self) -> None:
        """If nothing can move, call the remedies; inside `with moves:`."""
        for check in self.checks:
            check()
        if self._tasks and self._parked >= self._tasks:
            for remedy in self.remedies:
                remedy()


class Spot:
    """Where one task of the loop is parked once; it counts as parked until it is woken, not until it runs.

    Made inside `with moves:`; awaited outside.
    """

    __slots__ = ("_signal", "_still", "_woken")

    def __init__(self, still: Stillness) -> None:
        self._still = still
        self._signal = Signal()
        self._woken = False
        still.count(1)

    def wake(self) -> None:
        """Let the task go on; inside `with moves:`, in any thread."""
        if not self._woken:
            self._woken = True
            self._still.count(-1)
            self._signal.set()

    async def wait(self) -> None:
        """Park until somebody calls `wake`."""
        try:
            await self._signal
        finally:
            if not self._woken:  # cancelled
                with self._still.moves:
                    self.wake()
