"""Columns of an opened folder, on their way into batches: looked at, gathered, padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import NamedArrays
from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.formats.molecules.files import Pack
from flowload.kernels.molecules.columns import (
    FLOAT32,
    FLOAT64,
    TRUTH,
    WHOLE,
    find_bad_rows,
    pad_rows,
    pad_rows_at,
    take_rows,
    take_rows_at,
)

from .column import Column

__all__ = ["ColumnReader", "column_needs"]

KINDS = {"float32": FLOAT32, "float64": FLOAT64, "bool": TRUTH}
ALL = np.empty(0, np.int64)  #: in the place of offsets: a row has one place


class Source(NamedTuple):
    """A column and its bytes."""

    name: str
    column: Column
    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]  #: of the atoms of molecules; empty for a column of one row a molecule

    @property
    def atoms(self) -> bool:
        """Whether it has a row for each atom."""
        return self.column.per == "atom"


class ColumnReader:
    """The columns of a folder that are in batches.

    Args:
        pack: the folder.
        names: of the columns.
        first: the reason by which the first column is called in `bad`; the others are called by the next.
    """

    def __init__(self, pack: Pack, names: Sequence[str], first: int) -> None:
        self.pack, self.first = pack, first
        declared = dict(pack.manifest.columns)
        self.sources = [
            Source(
                name,
                declared[name],
                pack.columns[name].view(np.uint8),
                pack.offsets if declared[name].per == "atom" else ALL,
            )
            for name in names
        ]

    def __len__(self) -> int:
        return len(self.sources)

    def bad(self, rows: Numbers, why: NDArray[np.uint8]) -> int:
        """Write why molecules cannot be delivered that had no reason yet; how many they are."""
        found = 0
        for reason, source in enumerate(self.sources, self.first):
            column, kind = source.column, KINDS.get(source.column.dtype, WHOLE)
            if kind != WHOLE:
                each = column.numbers
                found += find_bad_rows(source.data, kind, each, source.offsets, rows, why, reason)
        return found

    def write(
        self,
        rows: Numbers,
        out: NamedArrays,
        borders: NDArray[np.int64],
        widths: NDArray[np.int64],
    ) -> None:
        """Write the rows of batches, of molecules between these borders, each padded to its width."""
        for source in self.sources:
            target, width = out[source.name].reshape(-1).view(np.uint8), source.column.nbytes
            if source.atoms:
                pad_rows(source.data, width, source.offsets, rows, borders, widths, target)
            else:
                take_rows(source.data, width, rows, target)

    def write_at(self, rows: Numbers, out: NamedArrays, where: tuple[Numbers, Numbers, Numbers]) -> None:
        """Write the rows to places among those of other folders; see `pad.pad_at`."""
        for source in self.sources:
            target, width = out[source.name].reshape(-1).view(np.uint8), source.column.nbytes
            if source.atoms:
                pad_rows_at(source.data, width, source.offsets, rows, where, target)
            else:
                take_rows_at(source.data, width, rows, where[2], target)

    def blame(self, row: int, reason: int) -> DataError:
        """The error for a molecule that `bad` found."""
        name, column, _, offsets = self.sources[reason - self.first]
        first, last = (offsets[row], offsets[row + 1]) if len(offsets) else (row, row + 1)
        begin, end = int(first) * column.numbers, int(last) * column.numbers
        numbers = self.pack.columns[name][begin:end]
        truth = column.dtype == "bool"
        fine = numbers.view(np.uint8) <= 1 if truth else np.isfinite(numbers)
        place = int(np.flatnonzero(~fine)[0])
        at = f", atom {place // column.numbers}" if len(offsets) else ""
        byte = (begin + place) * column.stored.itemsize
        where = f"{self.pack.path / column.file(name)}, molecule {row}{at}, byte {byte}"
        if truth:
            return DataError(
                "no truth", where=where, found=f"{numbers.view(np.uint8)[place]}", wanted="0 or 1"
            )
        return DataError("not finite", where=where, found=f"{numbers[place]}", wanted="a finite number")


def column_needs(columns: Sequence[tuple[str, Column]], *, among: bool) -> Iterator[Need]:
    """The kernels that these columns are read by; `among`: those of other folders."""
    data, out = np.empty(2, np.uint8), np.empty(2, np.uint8)
    data.flags.writeable = False
    rows = np.empty(2, np.int64)
    if any(column.dtype in KINDS for _, column in columns):
        yield find_bad_rows, (data, 0, 0, rows, rows, out, 0)
    if any(column.per == "atom" for _, column in columns):
        if among:
            yield pad_rows_at, (data, 0, rows, rows, (rows, rows, rows), out)
        else:
            yield pad_rows, (data, 0, rows, rows, rows, rows, out)
    if any(column.per == "molecule" for _, column in columns):
        if among:
            yield take_rows_at, (data, 0, rows, rows, out)
        else:
            yield take_rows, (data, 0, rows, out)
