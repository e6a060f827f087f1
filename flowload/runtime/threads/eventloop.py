"""Signals, callbacks and Ctrl-C protection on asyncio and trio, where anyio costs too much.

Tasks wait and wake some ten times for each block, and `anyio.Event` costs thirty Python calls each time; a
bare future costs three, which halved the loop's work per block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from threading import get_ident
from typing import Any, Protocol

__all__ = ["Signal", "keep_ctrl_c_out", "scheduler"]


class Future(Protocol):
    """What asyncio's future and its twin for trio have in common."""

    def done(self) -> bool:
        """Whether it has a result, or its waiter was cancelled."""

    def set_result(self, result: None, /) -> None:
        """Wake the waiter."""

    def __await__(self) -> Generator[Any, Any, None]: ...


class Signal:
    """One-shot event: one task of the loop that made it awaits it; any thread may set it."""

    __slots__ = ("_future", "_loop", "_schedule")

    def __init__(self) -> None:
        self._future = _future()
        self._loop = get_ident()
        self._schedule = scheduler()

    def set(self) -> None:
        """Set it; wakes the task that waits. Idempotent."""
        if get_ident() == self._loop:
            self._set()
            return
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._schedule(self._set)

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[Any, Any, None]:
        return self._future.__await__()


def scheduler() -> Callable[[Callable[[], None]], object]:
    """The running loop's thread-safe "call soon": schedules a function in this loop from any thread."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio  # noqa: PLC0415 - an extra, and loaded already by whoever runs on it

        return trio.lowlevel.current_trio_token().run_sync_soon


def keep_ctrl_c_out(*tasks: Callable[..., Awaitable[Any]]) -> None:
    """Keep KeyboardInterrupt out of these coroutine functions: it belongs to the reader's own code.

    trio raises it in whatever task runs at the moment, which would look like a stage's failure; asyncio
    cancels the main task instead, so there is nothing to do.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - see above

        for task in tasks:
            trio.lowlevel.enable_ki_protection(task)


def _future() -> Future:
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        return TrioFuture()


class TrioFuture:
    """As much of a future as `Signal` needs."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        import trio  # noqa: PLC0415 - an extra, and loaded already by whoever runs on it

        self._event = trio.Event()

    def done(self) -> bool:
        """Whether it was set."""
        return self._event.is_set()

    def set_result(self, _: None, /) -> None:
        """Wake the task that waits."""
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()
