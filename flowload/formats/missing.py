"""What a sample does whose data were never stored, in the same way for every format.

A column that may lack something is `Incomplete`; the table asks it which of some rows lack data, and then
does what `missing=` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Missing, Numbers
from flowload.errors import DataError, GraphError

__all__ = ["Incomplete", "Mask", "check_missing", "lacking", "tell_missing", "usable_rows"]

Mask = NDArray[np.bool_]


@runtime_checkable
class Incomplete(Protocol):
    """Something whose rows may lack data, such as chunks that were never written."""

    def absent(self, rows: Numbers) -> Mask | None:
        """Which of these rows lack some of their data; None: none of them. Raises DataError.

        Asked before they are read, and again behind.
        """

    def lack(self, row: int | None = None) -> DataError:
        """What is missing, for a message: reason "missing", file and array, found and wanted.

        Of one row that lacks data, where it is named; the caller adds its number to the place.
        """


def check_missing(missing: object, what: str) -> Missing:
    """One of the ways. Raises GraphError for anything else."""
    for known in get_args(Missing):
        if isinstance(missing, str) and missing == known:
            return known  # type: ignore[no-any-return]  # one of Missing
    raise GraphError(f'{what}: missing is {missing!r}; wanted "fill", "raise" or "skip"')


def lacking(columns: Sequence[Any], rows: Numbers) -> list[tuple[Mask, Incomplete]]:
    """Columns that lack data of some of these rows, and of which."""
    found = [(column.absent(rows), column) for column in columns if isinstance(column, Incomplete)]
    return [(mask, column) for mask, column in found if mask is not None and mask.any()]


def tell_missing(columns: Sequence[Any], rows: Numbers, call: Call) -> None:
    """Count rows that were given with a fill value; each once, however many columns lack it."""
    counted = np.zeros(len(rows), bool)
    for mask, column in lacking(columns, rows):
        call.missing(int((mask & ~counted).sum()), column.lack())
        counted |= mask


def usable_rows(missing: Missing, columns: Sequence[Any], rows: Numbers, call: Call) -> Numbers:
    """The rows that can be delivered; the others are dropped, or rejected.

    Args:
        missing: "fill": all can be.
        columns: those that are `Incomplete` are asked.
        rows: their numbers.
        call: takes what is dropped, as "missing".
    """
    if missing == "fill" or not (found := lacking(columns, rows)):
        return rows
    lost = np.any([mask for mask, _ in found], axis=0)
    if missing == "skip":
        call.drop(int(lost.sum()), "missing")
    else:
        mask, column = found[0]
        row = int(rows[mask.argmax()])
        lack = column.lack(row)
        where = f"{lack.where}, row {row}"
        call.reject(
            DataError(lack.reason, where=where, found=lack.found, wanted=lack.wanted), int(lost.sum())
        )
    return np.asarray(rows[~lost], np.int64)
