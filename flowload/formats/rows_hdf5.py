"""Rows of HDF5 datasets; see `hdf5_columns` for how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from flowload.errors import DataError, NoDataError
from flowload.files.guard import Guard
from flowload.protocols import Bytes
from flowload.records import Fields

from .columns import Choice, Column, ColumnTable, check_path, import_extra, pairs_of
from .hdf5_columns import DEFLATE, LZF, NOWHERE, SHUFFLE, Chunks, ChunksColumn, CodedColumn, DatasetColumn
from .rows_npy import MappedColumn

if TYPE_CHECKING:
    import h5py

__all__ = ["Hdf5Rows"]

#: What h5py says of a file that ends too early.
TRUNCATED = re.compile(r"truncated file: eof = (\d+), .*stored_eof = (\d+)")


@dataclass(frozen=True, init=False)
class Hdf5Rows:
    """Records of an HDF5 file: row i of each dataset belongs to sample i. Needs `flowload[hdf5]`.

    Datasets that are contiguous (h5py's default), or in plain chunks, are memory-mapped. Of compressed ones
    each chunk is expanded once a batch, so chunks of few rows are best for random order.

    Args:
        path: the file.
        datasets: their names (`("images", "labels")`), or by key of the batch (`{"x": "train/images"}`);
            None: all datasets of the root group.
    """

    path: str
    datasets: Choice | None = None

    name: ClassVar[str] = "hdf5"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, path: Any, datasets: Any = None) -> None:
        object.__setattr__(self, "path", check_path(path, "Hdf5Rows"))
        object.__setattr__(self, "datasets", pairs_of(datasets, "Hdf5Rows: datasets"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the file says
        """Not known before the file is open."""
        return {}

    def open(self) -> ColumnTable:
        """Open the file. Raises DataError and MissingExtra."""
        file = Opened(self.path, open_file(self.path))
        try:
            columns = {key: file.column(name) for key, name in self.datasets or file.all()}
        except DataError:
            file.close()
            raise
        return ColumnTable(columns, file.close, guard=file.guard)


def open_file(path: str) -> h5py.File:
    """Open a file for reading. Raises DataError with the sizes of a truncated one, and NoDataError."""
    h5py = import_extra("h5py", "hdf5")
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise NoDataError("no such file", where=path) from error
    except OSError as error:
        sizes = TRUNCATED.search(str(error))
        if sizes is not None:
            found, wanted = (f"{int(size):,} bytes" for size in sizes.groups())
            raise DataError("truncated", where=path, found=found, wanted=wanted) from error
        raise DataError("no HDF5 file", where=path, found=str(error)) from error


class Opened:
    """A file that is open, and its bytes."""

    def __init__(self, path: str, file: h5py.File) -> None:
        self.path = path
        self.file = file
        self.guard = Guard()
        self.memory: Bytes = self.guard.map(path)

    def all(self) -> Choice:
        """The datasets of the root group. Raises NoDataError where there are none."""
        h5py = import_extra("h5py", "hdf5")
        found = tuple((name, name) for name, item in self.file.items() if isinstance(item, h5py.Dataset))
        if not found:
            raise NoDataError("no dataset", where=self.path, found=self.names(), wanted="at least one")
        return found

    def names(self) -> str:
        """Everything in the file, for messages."""
        found: list[str] = []
        self.file.visit(found.append)
        return ", ".join(found[:20]) + (" ..." if len(found) > 20 else "") or "nothing"

    def column(self, name: str) -> Column:
        """A dataset by its name, opened the fastest way that it allows. Raises DataError."""
        h5py = import_extra("h5py", "hdf5")
        where = f"{self.path}: {name}"
        dataset = self.file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            raise DataError("no such dataset", where=where, found=self.names(), wanted=name)
        if not dataset.shape or dataset.dtype.hasobject:
            found = f"{dataset.dtype}{list(dataset.shape or ())}"
            raise DataError(
                "array of another kind", where=where, found=found, wanted="numbers, one row a sample"
            )
        return self.own_bytes(where, dataset) or DatasetColumn(where, dataset)

    def own_bytes(self, where: str, dataset: h5py.Dataset) -> Column | None:
        """A dataset read past h5py; None where its bytes are elsewhere, or need more than inflating."""
        h5py = import_extra("h5py", "hdf5")
        plain = h5py.h5t.py_create(dataset.dtype, logical=True).equal(dataset.id.get_type())
        elsewhere = dataset.external or dataset.is_virtual or dataset.file.filename != self.path
        if not plain or elsewhere or not dataset.size:
            return None
        offset = dataset.id.get_offset()
        if offset is not None:
            self.check_end(where, offset + dataset.nbytes)
            return MappedColumn(
                where, np.ndarray(dataset.shape, dataset.dtype, buffer=self.memory, offset=offset)
            )
        filters = filters_of(dataset)
        if dataset.chunks is None or dataset.chunks[1:] != dataset.shape[1:] or filters is None:
            return None
        chunks = self.chunks(where, dataset, compressed=bool(filters))
        if not filters:
            return ChunksColumn(where, dataset, chunks)
        return CodedColumn(where, dataset, chunks, filters)

    def chunks(self, where: str, dataset: h5py.Dataset, *, compressed: bool) -> Chunks:
        """Where the chunks lie. Raises DataError for one that the file does not hold."""
        count = -(-dataset.shape[0] // dataset.chunks[0])
        begins = np.full(count, NOWHERE, np.int64)
        sizes, skipped = np.zeros(count, np.int64), np.zeros(count, np.int64)
        full = prod(dataset.chunks) * dataset.dtype.itemsize

        def note(chunk: Any) -> None:
            number = chunk.chunk_offset[0] // dataset.chunks[0]
            if number < count:
                begins[number], sizes[number] = chunk.byte_offset, chunk.size
                skipped[number] = chunk.filter_mask
                self.check_end(where, chunk.byte_offset + chunk.size)
                if not compressed and chunk.size != full:
                    found = f"a chunk of {chunk.size:,} bytes"
                    raise DataError("wrong size", where=where, found=found, wanted=f"{full:,} bytes")

        dataset.id.chunk_iter(note)
        return Chunks(self.memory, begins, sizes, skipped)

    def check_end(self, where: str, wanted: int) -> None:
        """Raise DataError where the file ends before its data."""
        if len(self.memory) < wanted:
            found = f"{len(self.memory):,} bytes"
            raise DataError("truncated", where=where, found=found, wanted=f"{wanted:,} bytes")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def filters_of(dataset: h5py.Dataset) -> list[int] | None:
    """What chunks went through; None: something that only HDF5 can undo."""
    plist = dataset.id.get_create_plist()
    found = [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]
    return found if set(found) <= {DEFLATE, SHUFFLE, LZF} else None
