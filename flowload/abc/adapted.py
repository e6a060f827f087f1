"""Full records of simple ones: what users wrote is looked at, and copied into the batch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

from .operators import Call, NamedArrays
from .record_powers import Uniform
from .records import Fields, LayoutTable, Numbers
from .simple import Records, Table

__all__ = ["AdaptedRecords", "AdaptedTable", "full_table"]


@dataclass(frozen=True)
class AdaptedRecords:
    """Full records of simple ones, or of a table that is open already."""

    given: Any

    layouts = ("arrays",)
    drops = False

    @property
    def name(self) -> str:
        """What they call themselves, or their class."""
        return str(getattr(self.given, "name", type(self.given).__name__))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """Nobody knows without opening."""
        return {}

    def open(self) -> AdaptedTable:
        """The table; one that is open already stays its owner's."""
        if isinstance(self.given, Records):
            return AdaptedTable(self.given.open(), self.name)
        return AdaptedTable(self.given, self.name, owned=False)


class AdaptedTable(Uniform):
    """A full table of a simple one: its arrays are looked at and copied into the batch."""

    layouts: Sequence[str] = AdaptedRecords.layouts

    def __init__(self, table: Table, name: str, *, owned: bool = True) -> None:
        self.table = table
        self.name = name
        self.owned = owned

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def shapes(self) -> Fields:
        """Of the arrays of the first row. Raises DataError for what is no array of numbers."""
        first = self.gathered(np.zeros(1, np.int64))
        return {key: (array.shape[1:], array.dtype) for key, array in first.items()}

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """The arrays' own."""
        return self.shapes

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Copy what was gathered. Raises DataError where its arrays are not those of the first row."""
        arrays = self.gathered(rows)
        if {key: (array.shape[1:], array.dtype) for key, array in arrays.items()} != self.shapes:
            raise self.unlike(rows, in_words(arrays), f"those of row 0: {in_fields(self.shapes)}")
        for key, array in arrays.items():
            np.copyto(out[key], array)
        return {}

    def gathered(self, rows: Numbers) -> dict[str, NDArray[Any]]:
        """Arrays of numbers with a row for each that was asked for. Raises DataError for anything else."""
        given = self.table.gather(rows)
        if not isinstance(given, Mapping) or not given:  # type: ignore[redundant-expr]  # a user wrote it
            raise self.unlike(rows, f"{type(given).__name__}: {given!r:.60}", "arrays by key")
        arrays = {key: np.asarray(array) for key, array in given.items()}
        if wrong := [key for key, array in arrays.items() if array.dtype.hasobject or not array.ndim]:
            raise self.unlike(rows, in_words({key: arrays[key] for key in wrong}), "arrays of numbers")
        if any(len(array) != len(rows) for array in arrays.values()):
            raise self.unlike(rows, in_words(arrays), f"{len(rows)} rows in each")
        return arrays

    def unlike(self, rows: Numbers, found: str, wanted: str) -> DataError:
        """The error for what `gather` should not have given."""
        where = self.describe(int(rows[0])) if len(rows) else self.name
        return DataError("unlike rows", where=where, found=found, wanted=wanted)

    def describe(self, row: int) -> str:
        """Its own words, or its name and the row."""
        own = getattr(self.table, "describe", None)
        return f"{self.name}, row {row}" if own is None else str(own(row))

    def close(self) -> None:
        """Close what was opened here, if it can be closed."""
        if self.owned and (close := getattr(self.table, "close", None)) is not None:
            close()


class RenamedTable:
    """A full table from before 0.2, whose `write` is called `gather`."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.write = table.gather

    def __len__(self) -> int:
        return len(self.table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


def full_table(table: Any, name: str) -> LayoutTable:
    """A table that was opened, in its full form; `name`: of its records."""
    if hasattr(table, "write"):
        full: LayoutTable = table
        return full
    if not hasattr(table, "usable"):
        return AdaptedTable(table, name)
    kind = type(table).__name__
    told = f"{kind}.gather(layout, rows, out, call) is {kind}.write(...) now; the old name goes with 0.3"
    warnings.warn(told, DeprecationWarning, stacklevel=2)
    renamed: Any = RenamedTable(table)
    return renamed  # type: ignore[no-any-return]


def in_words(arrays: NamedArrays) -> str:
    """Arrays for messages."""
    return ", ".join(f"{key} {array.dtype}{list(array.shape)}" for key, array in arrays.items())


def in_fields(fields: Fields) -> str:
    """Shapes of one row for messages."""
    return ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in fields.items())
