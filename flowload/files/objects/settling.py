"""An event loop for requests of a library in Rust, whose threads need Python until a request is settled.

obstore answers by a thread of its own: it looks whether the future is still wanted, sets its result by
`call_soon_threadsafe`, and needs Python's lock for both. Whoever waits goes on before that thread does. A
program that ended with its last request took the interpreter away from it: before 3.14 Python ends such a
thread in the midst of Rust, and the process aborts (5 of 80 on busy cores, with SIGABRT and not a word). So
the futures that the library has not let go of are known here, and the end of the process waits for them.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["Settling", "asked", "settled"]

T = TypeVar("T")
Given = TypeVarTuple("Given")

PATIENCE = 1.0  #: seconds that the end of a process waits for a library at most
LOOK = 0.001

changing = threading.Lock()
open_there: set[Answer] = set()  #: what was asked for and is not settled


class Answer(asyncio.Future[Any]):
    """What the library is asked for."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.owner = threading.get_ident()
        self.settled = False

    def cancelled(self) -> bool:
        """Whether nobody wants it any more; a library that is told so leaves it alone from then on."""
        gone = super().cancelled()
        if gone and threading.get_ident() != self.owner:
            self.settle()
        return gone

    def settle(self) -> None:
        """The library needs this one no more."""
        with changing:
            self.settled = True
            open_there.discard(self)


class Settling(asyncio.SelectorEventLoop):
    """The loop in which a library is asked."""

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return Answer(loop=self)

    def call_soon_threadsafe(
        self, callback: Callable[[*Given], object], *args: *Given, context: Context | None = None
    ) -> asyncio.Handle:
        """See asyncio; what comes back to the caller is the last that it wanted."""
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        finally:
            for each in args:
                if isinstance(each, Answer):
                    each.settle()


def asked(answer: Awaitable[T]) -> Awaitable[T]:
    """What a library gave for a request in such a loop, known until it is settled."""
    if isinstance(answer, Answer):
        with changing:
            if not answer.settled:
                open_there.add(answer)
    return answer


@atexit.register
def settled() -> bool:
    """Wait until all is settled, for a short while; whether it is."""
    end = time.monotonic() + PATIENCE
    while open_there and time.monotonic() < end:
        time.sleep(LOOK)
    time.sleep(LOOK)  # whoever settled the last one returns to Rust, and gives up Python's lock there
    return not open_there
