"""A split by explicit lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import LayoutTable
from flowload.blocks import Rows
from flowload.errors import DataError

from .indices import Numbered, check_range, read_numbers

__all__ = ["SplitByList"]

NOBODY = -1


class SplitByList:
    """Sends each row to the part that names it; a byte a row, two where there are more than 127 parts."""

    def __init__(self, parts: Sequence[tuple[str, Numbered]]) -> None:
        self.parts = parts
        self.table: LayoutTable | None = None
        self.owners: NDArray[np.integer[Any]] = np.empty(0, np.int8)

    def route(self, block: Rows, call: Call) -> Mapping[str, Rows]:
        """The rows of each output, in their order. Raises DataError for lists that do not fit the table."""
        owners = self.chosen(block)
        call.drop(int(np.count_nonzero(owners == NOBODY)), "in no part")
        found = {name: np.flatnonzero(owners == k) for k, (name, _) in enumerate(self.parts)}
        return {name: block.select(rows) for name, rows in found.items() if len(rows)}

    def chosen(self, block: Rows) -> NDArray[np.integer[Any]]:
        """The number of each row's part; `NOBODY`: none. Raises DataError."""
        if block.table is not self.table:
            self.owners = self.assigned(len(block.table))
            self.table = block.table
        owners: NDArray[np.integer[Any]] = self.owners[block.picks.array()]
        return owners

    def assigned(self, size: int) -> NDArray[np.integer[Any]]:
        """The part of each row."""
        owners = np.full(size, NOBODY, np.min_scalar_type(-len(self.parts) - 1))
        for k, (name, part) in enumerate(self.parts):
            where = part if isinstance(part, str) else f"split: part {name!r}"
            rows = read_numbers(part, where)
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
