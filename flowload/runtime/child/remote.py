"""The face of a run that is in another process: what `graph.iterate(process=True)` gives."""

from __future__ import annotations

import threading
from threading import get_ident
from time import perf_counter
from typing import Any, Self

from flowload.runtime.faces.reading import Reading
from flowload.runtime.order import Order

from .connection import Connection
from .inbox import Ending
from .questions import Questions

__all__ = ["RemoteBatches"]


class RemoteBatches(Questions, Reading):
    """A run in a process of its own, for synchronous code, in any thread.

    Batches are views of memory that both processes map. It is used again when the last view is gone.
    """

    def __init__(self, order: Order) -> None:
        Reading.__init__(self, order)
        Questions.__init__(self, order, "iterate(process=True)")
        self._opening = threading.Lock()

    def __enter__(self) -> Self:
        self._check_begins(begun=self._connection is not None)
        self._opened()
        return self

    def next(self, output: str) -> Any:
        """An output's next batch; StopIteration at the end, then ClosedRun."""
        connection = self._connection
        if connection is None or self._closed:
            connection = self._opened()
        self._check_owner()
        inbox = connection.inboxes[output]
        waited = 0.0
        if (came := inbox.at_hand()) is None:
            began = perf_counter()
            self._waiting += 1
            try:
                came = inbox.next()
            finally:
                self._waiting -= 1
            waited = perf_counter() - began
        if not isinstance(came, Ending):
            return inbox.show(came, waited)
        if came.error is not None:
            raise came.error
        if connection.left is None:
            connection.ask("check", output)
        self._ended.once(output, get_ident())
        raise StopIteration

    def close(self) -> None:
        """End the run and its process; nothing of them is left afterwards. May be called again."""
        self._closed = True
        self._end()

    def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""
        found: int = self._begun().ask("wait_for", chunks, since)
        return found

    def _opened(self) -> Connection:
        self._check_owner()
        self._check_open()
        with self._opening:  # two threads may ask for the first batches of two outputs
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    def _open(self) -> Connection:
        connection = self._connect()
        try:
            if (error := connection.begun.get()) is not None:
                raise error
            self._trace_from_begin(connection)
        except BaseException:
            self._closed = True
            connection.stop()
            raise
        return connection
