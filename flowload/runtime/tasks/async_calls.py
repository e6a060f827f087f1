"""Runs the jobs of Maps that are coroutine functions: as tasks of the event loop, not in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from flowload.runtime.capture import FAILURES, Capture
from flowload.runtime.threads.eventloop import Signal, keep_ctrl_c_out
from flowload.runtime.threads.executor import Job
from flowload.runtime.threads.monitor import RunLock

from .segment import Segment

__all__ = ["Coroutines"]


class Coroutines:
    """Starts a task of the event loop for each job that is submitted, from any thread.

    A task can only be started from a task of its group, so one waits for jobs (`_begin_all`).
    """

    def __init__(self, segment: Segment, run_lock: RunLock) -> None:
        self._segment = segment
        self._run_lock = run_lock
        self._jobs: deque[Job] = deque()
        self._came = Signal()
        keep_ctrl_c_out(self._begin_all, self._do)

    def submit(self, job: Job) -> None:
        """Start a job soon; holding the run lock."""
        job.priority = self._segment.priority
        job.timing.begin()
        self._segment.async_jobs.add(job)
        self._jobs.append(job)
        self._came.set()

    async def during(self, run: Callable[[], Awaitable[None]]) -> None:
        """Start jobs while `run` runs; raises what that raises, and cancels the jobs that are left then."""
        errors: list[BaseException] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._begin_all, group)
            with Capture(errors.append, FAILURES):  # raised below, where no group wraps it
                await run()
            group.cancel_scope.cancel()
        for error in errors:
            raise error

    async def _begin_all(self, group: TaskGroup) -> None:
        while True:
            self._came = Signal()
            while self._jobs:  # looked at after the signal was made: none is missed
                group.start_soon(self._do, self._jobs.popleft())
            await self._came

    async def _do(self, job: Job) -> None:
        try:
            await job.do_async()
        finally:
            self._segment.async_jobs.discard(job)
        with self._run_lock:
            job.finish()
