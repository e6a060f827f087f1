"""What is asked of the event loop itself, on asyncio and on trio.

Tasks wait and wake some ten times for each block, and `anyio.Event` costs thirty calls each time; a bare
future costs three.
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
        """It has a result, or its waiter was cancelled."""

    def set_result(self, result: None, /) -> None:
        """Wake the waiter."""

    def __await__(self) -> Generator[Any, Any, None]: ...


class Signal:
    """One task of this loop waits for it, once; any thread may set it."""

    __slots__ = ("_future", "_loop", "_schedule")

    def __init__(self) -> None:
        self._future = _future()
        self._loop = get_ident()
        self._schedule = scheduler()

    def set(self) -> None:
        """Wake the task, or let it not wait at all. May be called again."""
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
    """What has a function called in the running loop, from any thread."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio  # noqa: PLC0415 - an extra, and loaded already by whoever runs on it

        return trio.lowlevel.current_trio_token().run_sync_soon


def keep_ctrl_c_out(*tasks: Callable[..., Awaitable[Any]]) -> None:
    """Let a KeyboardInterrupt be the reader's, and not be raised inside one of these.

    trio raises it in whatever it runs at the moment; asyncio cancels the main task instead.
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
        """It was set."""
        return self._event.is_set()

    def set_result(self, _: None, /) -> None:
        """Set it."""
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()
