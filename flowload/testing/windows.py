"""The part of the exam of records that is about recordings: windows, and the pieces that they are read in."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from numpy.typing import NDArray

from flowload.abc.record_powers import Guarded
from flowload.abc.records import LayoutTable, Numbers
from flowload.abc.windows import Windowed
from flowload.chance import stage_key

from .bench import fail
from .call import PlainCall
from .content import difference
from .memory import arrays_for

__all__ = ["KEY", "ONES", "ZEROS", "check_windows", "guarded"]

KEY = stage_key(0, "exam", 0)
ZEROS, ONES = 0x00, 0xFF  #: what memory holds before anybody wrote to it


def guarded(table: LayoutTable) -> Any:
    """The guard of a table's files, where it has one."""
    return table.guard if isinstance(table, Guarded) else nullcontext()


def check_windows(table: Windowed, rows: Numbers) -> None:
    """Windows that overlap agree, in whatever order their pieces are read."""
    for row in rows[:8].tolist():
        recording, start, length = table.window(row)
        one = window_at(table, row, reverse=False)
        if changed := difference(one, window_at(table, row, reverse=True), f"window {row}"):
            fail(f"its pieces read backwards: {changed}")
        if length > 1 and row + 1 < len(table):
            if table.window(row + 1)[:2] != (recording, start + 1):
                fail(f"window({row + 1}) is {table.window(row + 1)}, behind {(recording, start, length)}")
            shared = min(length, table.window(row + 1)[2] + 1) - 1
            other = window_at(table, row + 1, reverse=False)
            ours = {key: array[1 : 1 + shared].copy() for key, array in one.items()}
            theirs = {key: array[:shared].copy() for key, array in other.items()}
            if changed := difference(ours, theirs, f"windows {row} and {row + 1}"):
                fail(f"where two windows overlap they differ: {changed}")


def window_at(table: Windowed, row: int, *, reverse: bool) -> dict[str, NDArray[Any]]:
    """The window that begins at a row, read piece by piece."""
    fences, out = arrays_for(table.arrays(), table.window(row)[2], ONES if reverse else ZEROS)
    pieces = list(table.pieces(row))
    with guarded(table):
        for piece in reversed(pieces) if reverse else pieces:
            table.read(row, piece, out, PlainCall(KEY, 0))
    if any(memory.broken for memory in fences.values()):
        fail(f"the window at {row} was written outside of an array")
    return dict(out)
