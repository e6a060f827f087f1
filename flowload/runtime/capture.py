"""Errors that are kept for somebody else, and errors that say where they come from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias

import anyio

from flowload.errors import UserCodeError
from flowload.printable import printable, text_of

from .channel import EndOfStream, ReaderGone

__all__ = ["EXITS", "FAILURES", "Capture", "Noted", "as_error", "is_own_cancellation"]

EXITS = KeyboardInterrupt, SystemExit  #: what a signal's handler raises in the main thread
FAILURES = Exception, *EXITS  #: what a task of the run may fail with: see `as_error`
ENDS = StopIteration, StopAsyncIteration, EndOfStream, ReaderGone  #: what Python, or a run, takes for an end

Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


class Capture:
    """In `with Capture(told):` an error is handed to `told`, not raised.

    Args:
        told: gets the error.
        kind: what is kept; anything else, such as a cancellation, is raised.
        unless: of those, which are raised all the same.
    """

    __slots__ = ("_kind", "_told", "_unless")

    def __init__(
        self,
        told: Callable[[Any], object],
        kind: Kinds = Exception,
        unless: Callable[[BaseException], bool] | None = None,
    ) -> None:
        self._told = told
        self._kind = kind
        self._unless = unless

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:  # at once: this is asked thousands of times a second
            return False
        if not isinstance(error, self._kind) or (self._unless is not None and self._unless(error)):
            return False
        self._told(error)
        return True


@dataclass(slots=True)
class Noted:
    """In `with Noted(node, where):` user code runs: what it raises says from which stage, and the line.

    What is no error to Python becomes one: see `UserCodeError`.
    """

    node: str
    where: str

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or is_own_cancellation(error):
            return
        text = printable(f"in stage {self.node!r}, declared at {self.where}")
        raised = as_error(error)
        if not noted(raised, text):
            raised = wrapped(error, "it takes no note of where it was raised")
            raised.add_note(text)
        if raised is not error:
            raise raised from error


def noted(error: BaseException, text: str) -> bool:
    """Note something once, if the error lets anybody: its class may be such that nothing can be set."""
    with suppress(Exception):
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
        return True
    return False


def as_error(error: BaseException) -> BaseException:
    """What user code raised, as something that nobody on the way to the reader takes for anything else."""
    if isinstance(error, Exception) and not isinstance(error, ENDS):
        return error
    if isinstance(error, EXITS) and threading.current_thread() is threading.main_thread():
        return error
    return wrapped(error, "raised bare, that would pass for an end, a cancellation or an exit")


def wrapped(error: BaseException, why: str) -> UserCodeError:
    """An error as the cause of one of ours."""
    ours = UserCodeError(f"a call ended with {text_of(error, repr)}; {why}")
    ours.__cause__ = error
    with suppress(Exception):  # whatever somebody's notes are
        for note in getattr(error, "__notes__", ()):
            ours.add_note(note)
    return ours


def is_own_cancellation(error: BaseException) -> bool:
    """Whether the run cancels this task, and not something that the user's code waits for."""
    if isinstance(error, Exception):
        return False
    try:
        return (
            isinstance(error, anyio.get_cancelled_exc_class()) and anyio.current_effective_deadline() == -inf
        )
    except RuntimeError:  # there is no event loop in this thread: nothing here can be cancelled
        return False
