"""An exception of another process, with the lines of the user's code that it came through."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from flowload.errors import UserCodeError

__all__ = ["raised"]


class Frame(NamedTuple):
    """A line of the function's, in an error's traceback."""

    file: str
    line: int
    name: str  #: of the function
    module: str


def raised(told: Sequence[Any], process: int) -> BaseException:
    """The exception, to be raised here; a UserCodeError that names it, where it cannot be made again.

    Args:
        told: what `child.failure` gives, behind its first word.
        process: number of the process in which it was raised.
    """
    whole, kind, text, frames = told
    error: BaseException | None = None
    if whole is not None:
        with contextlib.suppress(Exception):
            error = pickle.loads(whole)
    if not isinstance(error, BaseException):
        error = UserCodeError(f"{kind}: {text}")
    error.add_note(f"raised in worker process {process}")
    chain: TracebackType | None = None
    for each in reversed(frames):
        chain = TracebackType(chain, frame_of(Frame(*each)), -1, max(1, each[1]))
    return error.with_traceback(chain)


def frame_of(told: Frame) -> FrameType:
    """A frame that a traceback shows as that line: of a module whose code is one line that raises."""
    code = compile("raise ValueError", told.file, "exec").replace(co_name=told.name)
    try:
        exec(code, {"__name__": told.module, "__file__": told.file})
    except ValueError as error:
        trace = error.__traceback__
    assert trace is not None  # noqa: S101 - it was raised
    assert trace.tb_next is not None  # noqa: S101 - by the line, in its own frame
    return trace.tb_next.tb_frame
