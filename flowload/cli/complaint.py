"""Errors as people read them: what, where, and the status that the shell gets."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from flowload.errors import FlowloadError, GraphError, NoDataError
from flowload.printable import printable, text_of

__all__ = ["complain", "status_of"]

#: Mistakes in what was asked for, rather than a run that failed.
USAGE = (GraphError, NoDataError)


def status_of(error: BaseException) -> int:
    """2 for what the user can mend on the command line or in the drawing, else 1."""
    return 2 if isinstance(error, USAGE) else 1


def complain(error: BaseException, *, verbose: bool = False) -> str:
    """The message for stderr; the whole traceback only when asked for."""
    first, *others = message(error, noted=verbose or not isinstance(error, USAGE))
    lines = [f"flowload: {first}", *(f"  {line}" for line in others)]
    lines = [printable(line) for line in lines]
    if verbose:
        lines += ["", printable("".join(traceback.format_exception(error)).rstrip(), keep="\n")]
    return "\n".join(lines)


def message(error: BaseException, *, noted: bool) -> Iterator[str]:
    """What is wrong, then the notes; a mistake in the asking says enough without them."""
    own = isinstance(error, FlowloadError | OSError)
    text = text_of(error) if own else "".join(traceback.format_exception_only(error)).strip()
    notes: list[str] = list(getattr(error, "__notes__", ()))
    # format_exception_only has the notes already.
    yield from text.splitlines() or [type(error).__name__]
    if own and noted:
        yield from (line for note in notes for line in note.splitlines())
