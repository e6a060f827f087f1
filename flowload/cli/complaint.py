"""Errors as people read them: what, where, and the status that the shell gets."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from flowload.errors import FlowloadError, GraphError, NoDataError, UserCodeError
from flowload.printable import printable, text_of
from flowload.tracebacks import failing_line, shortened

__all__ = ["complain", "status_of"]

#: Mistakes in what was asked for, rather than a run that failed.
USAGE = (GraphError, NoDataError)


def status_of(error: BaseException) -> int:
    """2 for what the user can mend on the command line or in the drawing, else 1."""
    return 2 if isinstance(error, USAGE) else 1


def complain(error: BaseException, *, verbose: bool = False, hint: bool = True) -> str:
    """The message for stderr, with the user's line that failed; the traceback only when asked for.

    Args:
        error: what was raised.
        verbose: whether the traceback follows.
        hint: whether it is said that -v shows that.
    """
    first, *others = message(error, noted=verbose or not isinstance(error, USAGE))
    lines = [f"flowload: {first}", *(f"  {line}" for line in others)]
    if isinstance(error, UserCodeError) or not isinstance(error, FlowloadError | OSError):
        lines += [f"  {line}" for line in place(error, hint=hint and not verbose)]
    lines = [printable(line) for line in lines]
    if verbose:
        shortened(error)  # of the command line's own frames, where the user's follow
        lines += ["", printable("".join(traceback.format_exception(error)).rstrip(), keep="\n")]
    return "\n".join(lines)


def place(error: BaseException, *, hint: bool) -> Iterator[str]:
    """Where the user's own code failed, and how to see the way there; nothing where it was not at work."""
    found = failing_line(error)
    if found is not None:
        where, source = found
        yield f"at {where}: {source}" if source else f"at {where}"
        if hint:
            yield "-v shows the traceback"


def message(error: BaseException, *, noted: bool) -> Iterator[str]:
    """What is wrong, then the notes; a mistake in the asking says enough without them."""
    own = isinstance(error, FlowloadError | OSError)
    text = text_of(error) if own else "".join(traceback.format_exception_only(error)).strip()
    notes: list[str] = list(getattr(error, "__notes__", ()))
    # format_exception_only has the notes already.
    yield from text.splitlines() or [type(error).__name__]
    if own and noted:
        yield from (line for note in notes for line in note.splitlines())
