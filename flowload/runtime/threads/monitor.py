"""The one lock of a run, and the monitor that finds and breaks deadlocks between its tasks.

Whoever has news (an executor's thread that finished a call, a source in the event loop, the reader) brings it
in `with run_lock:`, and does at once what follows from it: it sends on, begins the next calls, wakes who
waits. So a block goes on without waiting for the event loop, which has nothing to do with most blocks: by
way of the loop, each batch took 200 to 300 us more, and threads waited for it.

Lock order: the run lock is the outermost. What is called while it is held may take locks of its own, but
nothing that holds another lock may ask for this one: callbacks of the garbage collector, which may run
anywhere, go through `faces.wakeup` instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from .eventloop import Signal

__all__ = ["Monitor", "RunLock", "Waiter"]


class RunLock:
    """Re-entrant lock over all that the tasks of a run share; calls deferred functions before its release.

    What follows from a change (`defer`) is called when the outermost `with` ends, by the thread that holds
    the lock, and never from within another such call: a chain of stages of any length needs no deeper stack.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0
        self._deferred: deque[Callable[[], None]] = deque()
        self.when_settled: Callable[[], None] | None = None  #: called when nothing is deferred any more

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

    @property
    def pending(self) -> bool:
        """Whether something is due; inside `with run_lock:`."""
        return bool(self._deferred)

    def defer(self, call: Callable[[], None]) -> None:
        """Have a function called before the lock is released; only while holding it."""
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
    """Counts the tasks of a run and those that are parked (wait for a block, or for room); ends deadlocks.

    A split and a merge may enclose branches that fill unevenly: the merge waits for one branch while
    the split waits for room in the other. When all tasks are parked, each of `deadlock_breakers` is
    called, and may make room.
    """

    def __init__(self, run_lock: RunLock) -> None:
        self.run_lock = run_lock
        self.deadlock_breakers: list[Callable[[], None]] = []
        self.checks: list[Callable[[], None]] = []  #: called whenever the lock is released
        self._tasks = 0
        self._parked = 0

    @contextmanager
    def task(self) -> Iterator[None]:
        """Count a task of the run as alive inside this context."""
        with self.run_lock:
            self._tasks += 1
        try:
            yield
        finally:
            with self.run_lock:
                self._tasks -= 1

    def count(self, parked: int) -> None:
        """Add to the number of parked tasks (negative: they go on); only while holding the run lock."""
        self._parked += parked

    def break_deadlock(self) -> None:
        """Run the checks and, if every task is parked, the deadlock breakers; holding the run lock."""
        for check in self.checks:
            check()
        if self.run_lock.pending:  # a check has made something move: it is looked again behind that
            return
        if self._tasks and self._parked >= self._tasks:
            for breaker in self.deadlock_breakers:
                breaker()


class Waiter:
    """One wait of one task of the event loop; single use. Made while holding the run lock, awaited outside.

    The task counts as parked until `wake` is called, not until it runs again: else the monitor would take the
    time that the loop needs to come to it for a deadlock.
    """

    __slots__ = ("_monitor", "_signal", "_woken")

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._signal = Signal()
        self._woken = False
        monitor.count(1)

    def wake(self) -> None:
        """Let the task go on; from any thread, holding the run lock. May be called again."""
        if not self._woken:
            self._woken = True
            self._monitor.count(-1)
            self._signal.set()

    async def wait(self) -> None:
        """Park until `wake` is called; a cancelled wait counts as woken."""
        try:
            await self._signal
        finally:
            if not self._woken:  # cancelled
                with self._monitor.run_lock:
                    self.wake()
