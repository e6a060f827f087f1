"""The line of the user's code that is being drawn, for messages about a node."""

from __future__ import annotations

import inspect

__all__ = ["user_line"]


def user_line() -> str:
    """File and line of the nearest caller outside this package."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "flowload":
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
