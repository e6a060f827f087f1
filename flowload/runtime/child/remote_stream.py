"""The asynchronous face of a run that is in another process: what `graph.stream(process=True)` gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, Self, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from flowload.errors import ClosedRun
from flowload.runtime.faces.async_reading import AsyncReading
from flowload.runtime.order import Order

from .ahead import Came
from .connection import Connection
from .inbox import Ending, Inbox
from .questions import Questions

__all__ = ["RemoteStream"]

T = TypeVar("T")


class RemoteStream(Questions, AsyncReading):
    """A run in a process of its own, for asyncio and trio; see `RemoteBatches`."""

    def __init__(self, order: Order) -> None:
        AsyncReading.__init__(self, order)
        Questions.__init__(self, order, "stream(process=True)")
        self._left = False
        self._receiving: dict[str, anyio.Lock] = {}  # several tasks may read an output

    async def __aenter__(self) -> Self:
        if self._connection is not None or self._left:
            raise ClosedRun("a run is entered once; graph.stream() makes another")
        self._check_owner()
        connection = self._connection = self._connect()
        self._receiving = {name: anyio.Lock() for name in connection.inboxes}
        try:
            if (error := await in_thread(connection.begun.get)) is not None:
                raise error
            self._trace_from_begin(connection)
        except BaseException:
            self._left = True
            await in_thread(connection.stop, shielded=True)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left = True
        await in_thread(self._end, shielded=True)

    async def next(self, output: str) -> Any:
        """An output's next batch; StopAsyncIteration at the end, then ClosedRun."""
        connection = self._entered()
        await anyio.lowlevel.checkpoint_if_cancelled()
        inbox = connection.inboxes[output]
        waited = 0.0
        if (came := inbox.at_hand()) is None:
            began = perf_counter()
            self._waiting += 1
            try:
                came = await self._received(inbox, self._receiving[output])
            finally:
                self._waiting -= 1
            waited = perf_counter() - began
        if not isinstance(came, Ending):
            if inbox.is_to_begin(came):  # which may wait for a device
                await in_thread(partial(inbox.begin_due, came), shielded=True)
            return inbox.show(came, waited)
        if came.error is not None:
            raise came.error
        connection.ask("check", output)
        self._ended.once(output, anyio.get_current_task().id)
        raise StopAsyncIteration

    async def _received(self, inbox: Inbox, receiving: anyio.Lock) -> Came | Ending:
        """Wait for what comes, without a thread."""
        while True:
            async with receiving:
                if (came := inbox.at_hand()) is not None:
                    return came
                with inbox.receiving:
                    come = inbox.receive(wait=False)
                if not come:
                    await anyio.wait_readable(inbox.sock)

    async def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""
        found: int = await in_thread(partial(self._begun().ask, "wait_for", chunks, since))
        return found

    def _entered(self) -> Connection:
        self._check_owner()
        if self._connection is None or self._left:
            raise ClosedRun("batches come inside `async with graph.stream(...)`")
        return self._connection


async def in_thread(call: Callable[[], T], *, shielded: bool = False) -> T:
    """Make a call that waits, without holding up the event loop.

    Args:
        call: what.
        shielded: it is made to its end; else whoever is cancelled does not wait for it.
    """
    if not shielded:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    with anyio.CancelScope(shield=True) as scope:
        made = await anyio.to_thread.run_sync(call)
    assert not scope.cancelled_caught  # noqa: S101 - it is shielded, and nobody has it to cancel
    return made
