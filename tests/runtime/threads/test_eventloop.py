"""What is asked of the event loop itself: the same on asyncio and on trio."""

from __future__ import annotations

import threading

import anyio
import pytest

from flowload.runtime.threads.eventloop import Signal, keep_ctrl_c_out, scheduler

pytestmark = pytest.mark.anyio


async def test_a_signal_wakes_its_task(anyio_backend: str) -> None:
    signal, log = Signal(), []

    async def wait() -> None:
        await signal
        log.append("woken")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        log.append("set")
        signal.set()
        signal.set()
    assert log == ["set", "woken"]


async def test_a_signal_that_was_set_is_not_waited_for(anyio_backend: str) -> None:
    signal = Signal()
    signal.set()
    with anyio.fail_after(20):
        await signal


async def test_a_signal_may_be_set_when_its_task_was_cancelled(anyio_backend: str) -> None:
    signal = Signal()
    with anyio.move_on_after(0) as scope:
        await signal
    assert scope.cancelled_caught
    signal.set()


async def test_a_thread_has_something_called_in_the_loop(anyio_backend: str) -> None:
    called: list[threading.Thread] = []
    schedule = scheduler()
    signal = Signal()

    def answer() -> None:
        called.append(threading.current_thread())
        signal.set()

    thread = threading.Thread(target=schedule, args=(answer,))
    thread.start()
    await signal
    thread.join()
    assert called == [threading.current_thread()]


def test_a_loop_that_is_closed_says_so(anyio_backend: str) -> None:
    async def make() -> object:
        return scheduler()

    schedule = anyio.run(make, backend=anyio_backend)
    with pytest.raises(RuntimeError):
        schedule(lambda: None)  # type: ignore[operator]  # what `scheduler` gives


async def test_keeping_ctrl_c_out_works_on_both(anyio_backend: str) -> None:
    async def task() -> str:
        if anyio_backend == "asyncio":
            return "asyncio cancels the main task"
        import trio  # noqa: PLC0415 - only where it runs

        return "kept out" if trio.lowlevel.currently_ki_protected() else "let in"

    before = await task()
    keep_ctrl_c_out(task)
    assert [before, await task()] in (
        ["asyncio cancels the main task"] * 2,
        ["let in", "kept out"],
    )
