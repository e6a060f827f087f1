"""A window: calls in flight, given back in the order in which they were begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flowload.runtime.channel import EndOfStream
from flowload.runtime.lanes import Job
from flowload.runtime.stillness import Spot, Stillness

__all__ = ["Window"]

T = TypeVar("T")


class Window(Generic[T]):
    """At most `workers` calls run at once, and at most `room` are begun and not yet fetched.

    Each call carries a tag of type T (what it was made from). An entry without work keeps its place, too.
    `start` sets a job going; whoever does it calls `Job.finish` in the loop.
    """

    def __init__(self, start: Callable[[Job], object], still: Stillness, *, workers: int, room: int) -> None:
        self._start_job = start
        self._still = still
        self._workers = workers
        self._room = room
        self._entries: deque[tuple[T, Job | None]] = deque()
        self._queue: deque[Job] = deque()
        self._fetching = 0
        self._ended = False
        self._left = False
        self._waiting: list[Spot] = []
        self.made_room: Callable[[], None] | None = None  #: called when a call was fetched
        self.running = 0  #: calls that were set going and are not done

    @property
    def has_room(self) -> bool:
        """One more call may be begun."""
        return not self._left and len(self._entries) + self._fetching < self._room

    def begin(self, tag: T, work: Callable[[], Any] | None) -> None:
        """Begin a call; only where there is room."""
        job = None if work is None else Job(work, self._finished)
        self._entries.append((tag, job))
        if job is not None:
            self._queue.append(job)
            self._start()
        self._tell()

    def end(self) -> None:
        """No more calls will be begun."""
        self._ended = True
        self._tell()

    def leave(self) -> None:
        """Nobody fetches any more; what is not set going yet never will be."""
        self._left = True
        self._queue.clear()
        self._entries.clear()
        self._tell()

    async def fetch(self) -> tuple[T, Any]:
        """Tag and result of the oldest call, when it is done. Raises its error, or EndOfStream."""
        while not self._entries:
            if self._ended:
                raise EndOfStream
            await self._wait()
        tag, job = self._entries.popleft()
        self._fetching += 1
        try:
            return tag, (None if job is None else await job.wait())
        finally:
            self._fetching -= 1
            if self.made_room is not None:
                self.made_room()

    def _start(self) -> None:
        while self._queue and self.running < self._workers:
            self.running += 1
            self._start_job(self._queue.popleft())

    def _finished(self) -> None:
        self.running -= 1
        self._start()

    async def _wait(self) -> None:
        spot = Spot(self._still)
        self._waiting.append(spot)
        await spot.wait()

    def _tell(self) -> None:
        while self._waiting:
            self._waiting.pop().wake()
