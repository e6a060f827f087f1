"""The threads in which a run's calls are made, so that its event loop never waits for one of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue
from typing import Any

import anyio

from flowload.runtime.capture import Capture, as_error, is_own_cancellation

from .eventloop import Signal
from .monitor import RunLock
from .timing import JobTiming, TimingTotals

__all__ = ["Executor", "Job"]


class Job:
    """One piece of work for an executor, with its outcome: a result or an error. Runs once.

    Args:
        work: what is done; for `do_async` a coroutine function.
        then: called with the run lock held when the work is done, also after an error.
    """

    __slots__ = ("_signal", "coroutine", "done", "error", "priority", "result", "then", "timing", "work")

    def __init__(self, work: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        self.work: Callable[[], Any] | None = work
        self.then = then
        self.priority = 0  #: the segment's; see `Executor`
        self.coroutine: Any = None  #: what `do_async` waits for
        self.timing = JobTiming()
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self._signal: Signal | None = None

    def do(self) -> None:
        """Run the work in the calling thread; its outcome is kept, never raised here."""
        work = self._begun()
        with Capture(self._failed, BaseException):
            self.result = work()

    async def do_async(self) -> None:
        """Run work that is a coroutine function in the loop; raises only a cancellation."""
        work = self._begun()
        with Capture(self._failed, BaseException, unless=is_own_cancellation):
            self.coroutine = work()
            self.result = await self.coroutine

    def _begun(self) -> Callable[[], Any]:
        work, self.work = self.work, None
        assert work is not None, "a job is done once"  # noqa: S101 - a broken executor, not bad input
        return work

    def _failed(self, error: BaseException) -> None:
        """Handed to the task that waits, which raises it."""
        self.error = as_error(error)

    def finish(self) -> None:
        """Mark it done and notify whoever waits; holding the run lock."""
        self.done = True
        if self.then is not None:
            self.then()
        if self._signal is not None:
            self._signal.set()

    def outcome(self) -> Any:
        """The result; raises the work's error."""
        if self.error is not None:
            raise self.error
        return self.result

    async def wait(self) -> Any:
        """Wait in the event loop until the work is done; its outcome."""
        self._signal = Signal()
        if not self.done:  # asked after the signal was made: `finish` looks in the other order
            await self._signal
        return self.outcome()


class Executor:
    """Threads that take jobs from one queue: the highest priority first, in order within a priority.

    A job's priority is its segment's place in the flow, so what is nearly done is done first: little is under
    way, and it is still in the cache. Threads start when there is work for them. The thread that did a job
    does what follows from it, too (see `RunLock`), and finds its next job at once.

    Args:
        name: "kernel" or "io"; threads are called flowload-<name>-<number>.
        threads: start at most so many.
        run_lock: of the run.
    """

    def __init__(self, name: str, threads: int, run_lock: RunLock) -> None:
        self.name = name
        self.limit = threads
        self.run_lock = run_lock
        self._jobs: list[tuple[int, int, Job]] = []  # a heap of (-priority, number, job)
        self._numbers = count()
        self._turns: SimpleQueue[bool] = SimpleQueue()  # one True a job; False sends a thread home
        self._threads: list[threading.Thread] = []
        self.open_jobs = 0
        self.at_work: list[Job | None] = []  #: what each thread does now; None: it waits
        self.timings: dict[int, TimingTotals] = {}  #: by priority
        self.seen: Callable[[str, Job], None] | None = (
            None  #: called with thread name and job, without the run lock
        )
        self._home: deque[str] = deque()  # names of threads that went home; append is atomic
        self._all_home: Signal | None = None

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """The threads started so far."""
        return tuple(self._threads)

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return len(self._jobs)

    def submit(self, job: Job, *, priority: int = 0) -> Job:
        """Queue a job; from any thread. Returns the same job."""
        with self.run_lock:
            job.priority = priority
            if (totals := self.timings.get(priority)) is None:
                totals = self.timings[priority] = TimingTotals()
            totals.queue(job.timing)
            heappush(self._jobs, (-priority, next(self._numbers), job))
            self.open_jobs += 1
            if len(self._threads) < min(self.limit, self.open_jobs):
                self._start_thread()
            self._turns.put(True)
        return job

    async def run(self, work: Callable[[], Any], *, priority: int = 0) -> Any:
        """Do work in a thread and wait in the event loop for its result; raises its error."""
        return await self.submit(Job(work), priority=priority).wait()

    async def close(self, patience: float) -> list[str]:
        """Drop jobs that have not begun, wait for those that have, join the threads.

        Args:
            patience: seconds to wait.

        Returns:
            Names of the threads that are still in a call then.
        """
        with self.run_lock:
            self._jobs.clear()
        if self._threads:
            self._all_home = Signal()
            for _ in self._threads:
                self._turns.put(False)
            with anyio.move_on_after(patience, shield=True):
                await self._all_home
        home = set(self._home)
        for thread in self._threads:
            if thread.name in home:
                thread.join()
        return [thread.name for thread in self._threads if thread.name not in home]

    def _start_thread(self) -> None:
        # Daemons: a thread stuck in a user's call must not keep the interpreter from ending.
        thread = threading.Thread(
            target=self._work,
            args=(len(self._threads),),
            name=f"flowload-{self.name}-{len(self._threads)}",
            daemon=True,
        )
        self.at_work.append(None)
        self._threads.append(thread)
        thread.start()

    def _work(self, place: int) -> None:
        name = threading.current_thread().name
        while self._turns.get():
            job = self._next()
            if job is not None:
                job.timing.begin()
                self.at_work[place] = job
                job.do()
                job.timing.end()
                self.at_work[place] = None
                if self.seen is not None:  # before the lock: others need not wait for it
                    self.seen(name, job)
                with self.run_lock:
                    self._finish(job)
                del job  # else this thread would keep the last result alive while it waits
        self._home.append(name)
        if self._all_home is not None and len(self._home) == len(self._threads):
            self._all_home.set()

    def _next(self) -> Job | None:
        # heappush and heappop are atomic: they compare tuples of ints, which never runs Python code.
        try:
            return heappop(self._jobs)[2]
        except IndexError:
            return None  # close() has emptied the queue

    def _finish(self, job: Job) -> None:
        self.timings[job.priority].enter(job.timing)
        job.finish()
        self.open_jobs -= 1
