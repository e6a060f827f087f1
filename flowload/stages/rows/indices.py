"""Row numbers as users give them: an array, a list, a range, or a `.npy` file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Numbers
from flowload.errors import DataError, GraphError
from flowload.files.arrays import read_array
from flowload.files.fingerprint import of_files

__all__ = ["Numbered", "check_range", "numbered", "read_numbers", "remembered_numbers"]

Numbered: TypeAlias = NDArray[Any] | str  #: row numbers, or the path of a .npy file of them


def numbered(given: object, what: str) -> Numbered:
    """What a user gave, as an array or a path; files are read when a run begins. Raises GraphError."""
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, str | os.PathLike):
        return str(os.fspath(given))
    if isinstance(given, list | tuple | range) and all(isinstance(number, int) for number in given):
        return np.array(given, np.int64)
    raise GraphError(f"{what} {given!r}; wanted an array of row numbers, or a .npy file of them")


def read_numbers(part: Numbered, where: str) -> Numbers:
    """Row numbers. Raises DataError for a file or an array that holds none."""
    rows = read_array(Path(part)) if isinstance(part, str) else part
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        found = f"{rows.dtype}{list(rows.shape)}"
        raise DataError("not row numbers", where=where, found=found, wanted="one axis of whole numbers")
    return rows.astype(np.int64)


def remembered_numbers(part: Numbered | None) -> object:
    """What a state remembers of row numbers: of a file what is in it; None where it cannot be read now."""
    if not isinstance(part, str):
        return part
    try:
        return of_files([part], ["numbers"])
    except OSError:  # a run says so
        return None


def check_range(rows: Numbers, size: int, where: str) -> None:
    """Raise DataError unless all rows are there."""
    bad = np.flatnonzero((rows < 0) | (rows >= size))
    if len(bad):
        found = f"row {rows[bad[0]]} at place {bad[0]}"
        raise DataError("no such row", where=where, found=found, wanted=f"0 to {size - 1}")
