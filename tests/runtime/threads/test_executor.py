"""Threads that take jobs: by rank, each once, with outcomes that are kept and never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from flowload.runtime.threads.executor import Executor, Job
from flowload.runtime.threads.monitor import RunLock

pytestmark = pytest.mark.anyio

PATIENCE = 20.0


async def test_work_is_done_in_a_thread_and_its_result_comes_back() -> None:
    executor = Executor("kernel", 2, RunLock())
    thread = await executor.run(threading.current_thread)
    assert thread.name == "flowload-kernel-0"
    assert thread.daemon
    assert await executor.close(PATIENCE) == []
    assert not thread.is_alive()


async def test_an_error_comes_back_as_it_is() -> None:
    executor = Executor("kernel", 1, RunLock())
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught:
        await executor.run(raises(error))
    assert caught.value is error
    assert await executor.run(lambda: 7) == 7  # the thread lives on
    await executor.close(PATIENCE)


def raises(error: BaseException) -> Callable[[], Any]:
    def work() -> None:
        raise error

    return work


async def test_threads_start_when_there_is_work_and_not_beyond_the_limit() -> None:
    executor = Executor("kernel", 3, RunLock())
    barrier = threading.Barrier(3)
    threads = [len(executor.threads)]
    await executor.run(int)
    threads.append(len(executor.threads))
    jobs = [executor.submit(Job(barrier.wait)) for _ in range(6)]
    threads.append(len(executor.threads))
    assert threads == [0, 1, executor.limit]
    assert sorted([await job.wait() for job in jobs]) == [0, 0, 1, 1, 2, 2]
    await executor.close(PATIENCE)


async def test_a_waiting_thread_is_used_again() -> None:
    executor = Executor("kernel", 3, RunLock())
    for n in range(5):
        assert await executor.run(partial(int, n)) == n
    assert len(executor.threads) == 1
    await executor.close(PATIENCE)


async def test_of_what_waits_the_highest_rank_is_done_first_and_else_the_oldest() -> None:
    executor = Executor("kernel", 1, RunLock())
    held, go = threading.Event(), threading.Event()
    log: list[str] = []

    def hold() -> None:
        held.set()
        go.wait()

    first = executor.submit(Job(hold))
    held.wait()
    jobs = [
        executor.submit(Job(partial(log.append, f"{priority}{letter}")), priority=priority)
        for letter in "abc"
        for priority in (1, 3, 2)
    ]
    go.set()
    for job in (first, *jobs):
        await job.wait()
    assert log == ["3a", "3b", "3c", "2a", "2b", "2c", "1a", "1b", "1c"]
    await executor.close(PATIENCE)


async def test_the_thread_that_did_a_job_does_what_follows() -> None:
    executor = Executor("kernel", 1, RunLock())
    told: list[threading.Thread] = []
    job = Job(lambda: 5, lambda: executor.run_lock.defer(lambda: told.append(threading.current_thread())))
    assert await executor.submit(job).wait() == await job.wait() == job.outcome() == 5
    await executor.close(PATIENCE)
    assert told == list(executor.threads)
    assert executor.open_jobs == 0


async def test_closing_waits_for_what_has_begun_and_drops_the_rest() -> None:
    executor = Executor("kernel", 1, RunLock())
    held, go = threading.Event(), threading.Event()
    log: list[str] = []

    def hold() -> None:
        held.set()
        go.wait()
        log.append("begun")

    executor.submit(Job(hold))
    executor.submit(Job(lambda: log.append("dropped")))
    held.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(executor.close, PATIENCE)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert log == ["begun"]
    assert not executor.threads[0].is_alive()


async def test_closing_leaves_a_thread_that_is_stuck_and_names_it() -> None:
    executor = Executor("kernel", 1, RunLock())
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        go.wait()

    executor.submit(Job(hold))
    held.wait()
    assert await executor.close(0.01) == ["flowload-kernel-0"]
    go.set()
    executor.threads[0].join()


async def test_a_lane_without_work_is_closed_at_once() -> None:
    assert await Executor("kernel", 2, RunLock()).close(PATIENCE) == []


async def test_a_cancelled_waiter_leaves_the_job_to_be_done() -> None:
    executor = Executor("kernel", 1, RunLock())
    go = threading.Event()
    job = executor.submit(Job(go.wait))
    with anyio.move_on_after(0):
        await job.wait()
    go.set()
    assert await job.wait() is True
    await executor.close(PATIENCE)


async def test_a_result_is_not_kept_alive_by_its_thread() -> None:
    class Result:
        """Something that can be seen to go."""

        def __init__(self, gone: threading.Event) -> None:
            self.gone = gone

        def __del__(self) -> None:
            self.gone.set()

    gone = threading.Event()
    executor = Executor("kernel", 1, RunLock())
    made = await executor.run(lambda: Result(gone))
    del made
    assert gone.wait(PATIENCE)  # the thread lets go a moment after it has told of it
    await executor.close(PATIENCE)


async def test_a_job_in_the_loop() -> None:
    async def work() -> int:
        return 5

    told: list[int] = []
    job = Job(work, lambda: told.append(1))
    await job.do_async()
    assert not job.done
    job.finish()
    assert await job.wait() == 5
    assert told == [1]


async def test_a_failing_job_in_the_loop_keeps_its_error() -> None:
    async def work() -> int:
        raise ValueError("x")

    job = Job(work)
    await job.do_async()
    job.finish()
    with pytest.raises(ValueError, match="x"):
        await job.wait()


async def test_a_cancelled_job_in_the_loop_is_not_done() -> None:
    told: list[int] = []
    job = Job(anyio.sleep_forever, lambda: told.append(1))
    with anyio.move_on_after(0) as scope:
        await job.do_async()
    assert scope.cancelled_caught
    assert not job.done
    assert told == []


async def test_a_job_is_done_once() -> None:
    job = Job(int)
    job.do()
    with pytest.raises(AssertionError, match="a job is done once"):
        job.do()
