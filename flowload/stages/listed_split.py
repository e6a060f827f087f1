"""A split by explicit lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Rows
from flowload.errors import DataError
from flowload.protocols import Call
from flowload.records import Table

__all__ = ["ByList", "Part"]

Part: TypeAlias = NDArray[Any] | str  #: row numbers, or a .npy file of them

NOBODY = -1


class ByList:
    """Sends each row to the part that names it; a byte a row."""

    def __init__(self, parts: Sequence[tuple[str, Part]]) -> None:
        self.parts = parts
        self.table: Table | None = None
        self.owners = np.empty(0, np.int8)

    def route(self, block: Rows, call: Call) -> Mapping[str, Rows]:
        """The rows of each output, in their order. Raises DataError for lists that do not fit the table."""
        if block.table is not self.table:
            self.owners = self.assigned(len(block.table))
            self.table = block.table
        owners = self.owners[block.picks.array()]
        call.drop(int(np.count_nonzero(owners == NOBODY)), "in no part")
        found = {name: np.flatnonzero(owners == k) for k, (name, _) in enumerate(self.parts)}
        return {name: block.select(rows) for name, rows in found.items() if len(rows)}

    def assigned(self, size: int) -> NDArray[np.int8]:
        """The part of each row."""
        owners = np.full(size, NOBODY, np.int8)
        for k, (name, part) in enumerate(self.parts):
            where = part if isinstance(part, str) else f"split: part {name!r}"
            rows = read_rows(part, where)
            check_range(rows, size, where)
            taken = owners[rows] != NOBODY
            if taken.any():
                row = int(rows[taken.argmax()])
                other = self.parts[owners[row]][0]
                found = f"row {row} also in {other!r}"
                raise DataError(
                    "parts overlap", where=where, found=found, wanted="each row in one part at most"
                )
            owners[rows] = k
        return owners


def read_rows(part: Part, where: str) -> NDArray[np.int64]:
    """The row numbers of a part. Raises DataError for a file or an array that holds none."""
    try:
        rows = np.load(part, allow_pickle=False) if isinstance(part, str) else part
    except (OSError, ValueError) as error:
        raise DataError(
            "unreadable", where=where, found=str(error), wanted="a .npy file of row numbers"
        ) from error
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        found = f"{rows.dtype}{list(rows.shape)}"
        raise DataError("not row numbers", where=where, found=found, wanted="one axis of whole numbers")
    return rows.astype(np.int64)


def check_range(rows: NDArray[np.int64], size: int, where: str) -> None:
    """Raise DataError unless all rows are there."""
    bad = np.flatnonzero((rows < 0) | (rows >= size))
    if len(bad):
        found = f"row {rows[bad[0]]} at place {bad[0]}"
        raise DataError("no such row", where=where, found=found, wanted=f"0 to {size - 1}")
