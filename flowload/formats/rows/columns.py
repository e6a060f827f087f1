"""Aligned columns: arrays whose row i belongs to sample i, wherever each of them lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.record_powers import Gathered, Uniform
from flowload.abc.records import MOST_ROWS, Fields, Missing, Numbers, Picks
from flowload.errors import DataError, GraphError, MissingExtra
from flowload.files.guard import Guard
from flowload.formats.missing import Incomplete, lacking, tell_missing, usable_rows

__all__ = [
    "Choice",
    "Column",
    "ColumnTable",
    "ScreenedColumns",
    "check_path",
    "column_table",
    "import_extra",
    "pairs_of",
]

WIDEST = 1 << 40  #: bytes of a row: no memory has room for a batch of them

Choice: TypeAlias = tuple[tuple[str, str], ...]  #: of columns: key of the batch, name where it lies


class Column(Protocol):
    """One array that is open. Several threads may read it at once."""

    @property
    def where(self) -> str:
        """File and array, for messages."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """In this machine's byte order."""

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Write rows to `out`, C-contiguous. Raises DataError."""

    def close(self) -> None:
        """Let go of the file."""


class ColumnTable(Uniform):
    """A table of columns. Raises DataError unless all have as many rows; then they are closed.

    Args:
        columns: by key of the batch; those that are `Incomplete` are asked which rows lack data.
        end: closes what the columns have in common.
        missing: what rows do that lack data.
        guard: of the files that the columns read; None: nobody watches them.
    """

    layouts: Sequence[str] = ("arrays",)

    def __init__(
        self,
        columns: Mapping[str, Column],
        end: Callable[[], None] = lambda: None,
        missing: Missing = "fill",
        guard: Guard | None = None,
    ) -> None:
        self.columns = dict(columns)
        self.end = end
        self.guard = Guard() if guard is None else guard
        self.missing = missing
        self.incomplete = [column for column in self.columns.values() if isinstance(column, Incomplete)]
        try:
            check_columns(self.columns)
        except DataError:
            self.close()
            raise

    def __len__(self) -> int:
        return next(iter(self.columns.values())).shape[0]

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """All rows, or those without missing chunks."""
        if not self.incomplete:
            return rows
        return usable_rows(self.missing, self.incomplete, rows, call)

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """Shape of a row and dtype of each column."""
        return {key: (column.shape[1:], column.dtype) for key, column in self.columns.items()}

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Write the rows of each column. Raises DataError."""
        for key, column in self.columns.items():
            column.read(rows, out[key], call)
        if self.incomplete:
            tell_missing(self.incomplete, rows, call)
        return {}

    def write_many(
        self,
        layout: str,
        picks: Picks,
        size: int,
        out: NamedArrays,
        call: Call,
    ) -> Gathered | None:
        """As if they were one batch; None where rows that lack data are not to be given."""
        if self.incomplete and self.missing != "fill" and lacking(self.incomplete, picks.array()):
            return None
        return super().write_many(layout, picks, size, out, call)

    def describe(self, row: int) -> str:
        """The first column's file, and the row."""
        return f"{next(iter(self.columns.values())).where}, row {row}"

    def close(self) -> None:
        """Let go of the files."""
        for column in self.columns.values():
            column.close()
        self.end()
        self.guard.close()


class ScreenedColumns(ColumnTable):
    """A table of which rows that lack data are left out where they begin, before ranks share them.

    Args: see `ColumnTable`; columns are asked whose attribute `foreseen` says that it costs next to nothing.
    """

    def screen(self, rows: Numbers) -> tuple[Numbers, Mapping[str, int]]:
        """See `records.Screened`."""
        asked = [column for column in self.incomplete if getattr(column, "foreseen", False)]
        found = lacking(asked, rows)
        if not found:
            return rows, {}
        lost = np.any([mask for mask, _ in found], axis=0)
        return np.asarray(rows[~lost], np.int64), {"missing": int(lost.sum())}


def column_table(
    columns: Mapping[str, Column], end: Callable[[], None], missing: Missing, guard: Guard
) -> ColumnTable:
    """The table of columns that may lack data; see `ColumnTable`."""
    foreseen = any(getattr(column, "foreseen", False) for column in columns.values())
    kind = ScreenedColumns if missing == "skip" and foreseen else ColumnTable
    return kind(columns, end, missing, guard)


def check_columns(columns: Mapping[str, Column]) -> None:
    """Raise DataError unless there are columns, of numbers, with as many rows each."""
    for column in columns.values():
        if column.dtype.hasobject or not column.shape:
            found = f"{column.dtype}{list(column.shape)}"
            raise DataError(
                "array of another kind", where=column.where, found=found, wanted="numbers, one row a sample"
            )
        width = prod(column.shape[1:]) * column.dtype.itemsize
        if column.shape[0] > MOST_ROWS or width > WIDEST:
            found = f"{column.shape[0]:,} rows of {width:,} bytes"
            wanted = f"at most {MOST_ROWS:,} of {WIDEST:,}"
            raise DataError("impossible size", where=column.where, found=found, wanted=wanted)
    first = next(iter(columns.values()))
    for column in columns.values():
        if column.shape[0] != first.shape[0]:
            raise DataError(
                "columns of different length",
                where=column.where,
                found=f"{column.shape[0]:,} rows",
                wanted=f"{first.shape[0]:,} rows, as in {first.where}",
            )


def pairs_of(names: object, what: str) -> Choice | None:
    """Which columns are wanted, as pairs of key and name: of one name, several, or names by key; None: all.

    Raises GraphError for anything else.
    """
    if names is None:
        return None
    if isinstance(names, str | os.PathLike):
        names = [names]
    pairs: tuple[Any, ...]
    if isinstance(names, Mapping):
        pairs = tuple(names.items())
    elif isinstance(names, Sequence):
        plain = (os.fspath(name) if isinstance(name, os.PathLike) else name for name in names)
        pairs = tuple(name if isinstance(name, tuple) else (name, name) for name in plain)
    else:
        raise GraphError(f"{what} are {names!r}; wanted names, or names by key of the batch")
    if not pairs:
        raise GraphError(f"{what}: none are named; wanted at least one, or None for all")
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], str | os.PathLike):
            raise GraphError(f"{what}: {pair!r} is no name")
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise GraphError(f"{what}: a name comes twice in {keys}")
    return tuple((key, str(os.fspath(name))) for key, name in pairs)


def check_path(path: object, what: str) -> str:
    """A path as text. Raises GraphError for anything else."""
    if not isinstance(path, str | os.PathLike):
        raise GraphError(f"{what}: path is {path!r}; wanted a path")
    return str(os.fspath(path))


def import_extra(module: str, extra: str) -> Any:
    """A library that not everybody has. Raises MissingExtra that says how to install it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingExtra(f"{module} is not installed; try: pip install 'flowload[{extra}]'") from error
