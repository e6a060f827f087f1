"""Aligned arrays in memory, or memory-mapped, as records: row i of each belongs to sample i."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.record_powers import Uniform
from flowload.abc.records import MOST_ROWS, Fields, Numbers
from flowload.abc.stage import check_counts
from flowload.errors import GraphError
from flowload.files.guard import Guard
from flowload.kernels.rows.take import native, take

from .given_arrays import as_array

__all__ = ["ArrayTable", "Arrays", "Count", "CountedTable"]

INDEX: Fields = {"index": ((), np.dtype(np.int64))}


@dataclass(frozen=True)
class Count:
    """The numbers 0 to n-1 alone, for data that a `map` of the user's looks up by them."""

    n: int

    name: ClassVar[str] = "numbers"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = ("numbers",)

    def __post_init__(self) -> None:
        check_counts("rows", n=self.n)
        if self.n > MOST_ROWS:
            raise GraphError(f"rows: n is {self.n}; wanted at most {MOST_ROWS:,}")

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """`index [B] int64`."""
        return INDEX

    def open(self) -> CountedTable:
        """Itself: the arrays are in memory already."""
        return CountedTable(self.n)


class CountedTable(Uniform):
    """See `Count`."""

    layouts: Sequence[str] = Count.layouts
    swift = True

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - there is one
        """`index [B] int64`."""
        return INDEX

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Write the row numbers into the batch."""
        out["index"][:] = rows
        return {}

    def describe(self, row: int) -> str:
        """The row as text for messages: "row 7"."""
        return f"row {row}"

    def close(self) -> None:
        """Nothing to close: arrays in memory."""


class Arrays:
    """Named arrays of equal length; compared by identity, for arrays have no cheap equality."""

    name = "arrays"
    drops = False
    layouts: Sequence[str] = ("arrays",)

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        arrays = {key: as_array(array, f"rows: {key!r}") for key, array in arrays.items()}
        lengths = {key: np.shape(array)[:1] for key, array in arrays.items()}
        if not arrays or len(set(lengths.values())) > 1 or () in lengths.values():
            found = ", ".join(f"{key} {list(length)}" for key, length in lengths.items()) or "none"
            raise GraphError(f"rows: arrays of equal length are wanted; found {found}")
        if lengths[next(iter(arrays))] == (0,):
            raise GraphError("rows: the arrays have no rows; wanted at least one")
        self.arrays = dict(arrays)

    def __repr__(self) -> str:
        return f"Arrays({', '.join(self.arrays)})"

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """Shape of a row and dtype of each array."""
        return {key: (array.shape[1:], native(array.dtype)) for key, array in self.arrays.items()}

    def open(self) -> ArrayTable:
        """Itself: the arrays are in memory already."""
        return ArrayTable(self.arrays)


class ArrayTable(Uniform):
    """See `Arrays`."""

    layouts: Sequence[str] = Arrays.layouts
    swift = True

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        arrays = {key: as_array(array, f"rows: {key!r}") for key, array in arrays.items()}
        self.arrays = arrays
        self.guard = Guard()  #: those that are memory maps may become shorter
        self.guard.watch_arrays(arrays.items())

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """Shape of a row and dtype of each array."""
        return {key: (array.shape[1:], native(array.dtype)) for key, array in self.arrays.items()}

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Copy these rows into the arrays of a batch."""
        for key, array in self.arrays.items():
            take(array, rows, out[key])
        return {}

    def describe(self, row: int) -> str:
        """The row as text for messages: "row 7"."""
        return f"row {row}"

    def close(self) -> None:
        """Nothing to close: the arrays belong to the user."""
        self.guard.close()
