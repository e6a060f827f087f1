"""Who may change a run, and knowing that nothing in it can move any more.

Whoever has news (an executor's thread that finished a call, a source in the event loop, the reader) brings it
in `with run_lock:`, and does at once what follows from it: it sends on, begins the next calls, wakes who
waits. So a block goes on without waiting for the event loop, which has nothing to do with most blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from .eventloop import Signal

__all__ = ["Monitor", "RunLock", "Waiter"]


class RunLock:
    """One lock for all that a run's stages share, and what is due before it is given up.

    What follows from a change is called here, by the one who holds the lock, and never from within another
    such call: a chain of stages of any length needs no deeper stack.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0
        self._deferred: deque[Callable[[], None]] = deque()
        self.when_settled: Callable[[], None] | None = None  #: called when nothing is due any more

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

    def defer(self, call: Callable[[], None]) -> None:
        """Have this called before the lock is given up; inside `with run_lock:`."""
        self._deferred.append(call)

    def _settle(self) -> None:
        while True:
            while self._deferred:
                self._deferred.popleft()()
            if self.when_settled is not None:
                self.when_settled()
            if not self._deferred:
                return


class Monitor:
    """Counts tasks that are parked: they wait for a block, or for room.

    A split and a merge may enclose branches that fill unevenly: the merge waits for one branch while
    the split waits for room in the other. When all tasks are parked, each of `deadlock_breakers` is
    called, and may make room.
    """

    def __init__(self, run_lock: RunLock) -> None:
        self.run_lock = run_lock
        self.deadlock_breakers: list[Callable[[], None]] = []
        self.checks: list[Callable[[], None]] = []  #: called whenever the lock is given up
        self._tasks = 0
        self._parked = 0

    @contextmanager
    def task(self) -> Iterator[None]:
        """A task lives inside this context."""
        with self.run_lock:
            self._tasks += 1
        try:
            yield
        finally:
            with self.run_lock:
                self._tasks -= 1

    def count(self, parked: int) -> None:
        """So many tasks more (or fewer) are parked; inside `with run_lock:`."""
        self._parked += parked

    def break_deadlock(self) -> None:
        """If nothing can move, call the deadlock_breakers; inside `with run_lock:`."""
        for check in self.checks:
            check()
        if self._tasks and self._parked >= self._tasks:
            for breaker in self.deadlock_breakers:
                breaker()


class Waiter:
    """Where one task of the loop is parked once; it counts as parked until it is woken, not until it runs.

    Made inside `with run_lock:`; awaited outside.
    """

    __slots__ = ("_monitor", "_signal", "_woken")

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._signal = Signal()
        self._woken = False
        monitor.count(1)

    def wake(self) -> None:
        """Let the task go on; inside `with run_lock:`, in any thread."""
        if not self._woken:
            self._woken = True
            self._monitor.count(-1)
            self._signal.set()

    async def wait(self) -> None:
        """Park until somebody calls `wake`."""
        try:
            await self._signal
        finally:
            if not self._woken:  # cancelled
                with self._monitor.run_lock:
                    self.wake()
