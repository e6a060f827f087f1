"""Tracebacks as users read them: their own lines, without those of this package around them.

`FLOWLOAD_TRACEBACKS=full` in the environment leaves every frame where it is.
"""

from __future__ import annotations

import logging
import os
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import extract_tb
from types import TracebackType

from flowload.errors import FlowloadError

__all__ = ["VARIABLE", "failing_line", "shortened"]

VARIABLE = "FLOWLOAD_TRACEBACKS"  #: full: nothing is left out; short, or not set: as `shortened` says

PACKAGE = __name__.partition(".")[0] + "."
RUN = f"{PACKAGE}runtime."

#: Where code lies that is not the user's: the standard library, and what was installed.
LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "purelib", "platlib")})

log = logging.getLogger("flowload")


def shortened(error: BaseException) -> None:
    """Leave what says nothing about this error out of its traceback.

    Of an error that a user's code raised: all frames of this package before the first one of the user's, some
    twenty. Of one that a stage or a format raised in its own words (a `FlowloadError`): all but that place.
    Of any other: the run's own frames, which are the same for every error. What the run itself raises keeps
    all. Its causes likewise.
    """
    if full():
        return
    seen: set[int] = set()  # causes may go in a circle
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        shorten(each)
        each = each.__cause__


def shorten(error: BaseException) -> None:
    """One error, without its cause."""
    traces = list(entries(error.__traceback__))
    if not traces or is_of(traces[-1], RUN):
        return
    first = next((place for place, each in enumerate(traces) if is_users(each)), None)
    kept = [each for each in traces if not is_of(each, RUN)]
    if first is not None:  # frames of libraries before it, such as an event loop's, stay
        before = [each for each in traces[:first] if not is_of(each, PACKAGE)]
        kept = before + [each for each in traces[first:] if not is_of(each, RUN)]
    elif isinstance(error, FlowloadError) and is_of(traces[-1], PACKAGE):
        kept = traces[-1:]
    if len(kept) == len(traces):
        return
    chain = None
    for each in reversed(kept):
        chain = TracebackType(chain, each.tb_frame, each.tb_lasti, each.tb_lineno)
    BaseException.with_traceback(error, chain)  # whatever its class lets anybody set


def failing_line(error: BaseException) -> tuple[str, str] | None:
    """The innermost line of the user's own files that an error went through, and its text.

    None: there is none. A wrapper of this package's has the line of its cause, where it has none itself.

    Returns:
        "file:line", and the source text, which is empty where the file cannot be read.
    """
    return innermost(error, is_users) or innermost(getattr(error, "__cause__", None), is_users)


def innermost(error: BaseException | None, wanted: Callable[[TracebackType], bool]) -> tuple[str, str] | None:
    """The last entry of that kind, as `failing_line` gives it."""
    found = [each for each in entries(None if error is None else error.__traceback__) if wanted(each)]
    if not found:
        return None
    line = extract_tb(TracebackType(None, found[-1].tb_frame, found[-1].tb_lasti, found[-1].tb_lineno))[0]
    return f"{line.filename}:{line.lineno}", (line.line or "").strip()


def entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    """A traceback's entries, the outermost first."""
    while trace is not None:
        yield trace
        trace = trace.tb_next


def is_of(trace: TracebackType, package: str) -> bool:
    """A frame of this package, or of a part of it."""
    return f"{trace.tb_frame.f_globals.get('__name__', '')}.".startswith(package)


def is_users(trace: TracebackType) -> bool:
    """A frame of the user's own code: neither ours, nor of Python, nor of something that was installed."""
    name = trace.tb_frame.f_code.co_filename
    frozen = name.startswith("<frozen ")
    return not frozen and not is_of(trace, PACKAGE) and not str(Path(name).absolute()).startswith(LIBRARIES)


def full() -> bool:
    """Whether the environment asks for whole tracebacks."""
    told = os.environ.get(VARIABLE, "").strip()
    if told not in ("", "short", "full"):
        log.warning("%s is %r; wanted full or short, which it is taken for", VARIABLE, told)
    return told == "full"
