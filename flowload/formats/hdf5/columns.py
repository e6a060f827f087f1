"""Datasets of HDF5, each read the fastest way that it allows.

Contiguous          memory-mapped: an array like any other.
Plain chunks        memory-mapped too: a table says where each chunk begins.
Compressed chunks   (gzip, lzf, shuffle) are expanded from the map, in parallel: h5py has one lock for all.
Anything else       h5py reads it, each chunk once a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Numbers
from flowload.errors import ClosedRun, DataError
from flowload.files.foreign import foreign
from flowload.formats.compared import WRONG_SIZE
from flowload.formats.missing import Mask
from flowload.formats.rows.runs import as_bytes, gather_runs
from flowload.kernels.rows.take import native, take_at

from .chunks import NOWHERE, Chunks, Gaps, GoneChunks
from .filters import Filter, expanded, undone

if TYPE_CHECKING:
    import h5py

__all__ = ["ChunksColumn", "CodedColumn", "DatasetColumn", "undone"]

GAP = 64 << 10  #: bytes that are rather read in vain than left out, where chunks are not compressed
NEVER, UNDEFINED = 1, 0  #: `H5D_FILL_TIME_NEVER`, `H5D_FILL_VALUE_UNDEFINED`


class DatasetColumn:
    """A dataset that h5py reads.

    Args:
        where: file and dataset.
        dataset: of any type but an object's; an array type becomes further axes.
        gaps: which rows lack data; None: none do.
    """

    def __init__(self, where: str, dataset: h5py.Dataset, gaps: Gaps | None = None) -> None:
        self.where = where
        self.dataset = dataset
        self.gaps = gaps
        self.stored, inner = dataset.dtype.subdtype or (dataset.dtype, ())
        self.shape: tuple[int, ...] = (*dataset.shape, *inner)
        self.dtype: np.dtype[Any] = native(self.stored)
        self.fill = fill_of(dataset)
        self.width = prod(self.shape[1:]) * self.dtype.itemsize  #: bytes of a row
        self.chunk: int = dataset.chunks[0] if dataset.chunks else max(1, self.shape[0])
        # A compressed chunk is inflated whole for any row of it.
        packed = dataset.id.get_create_plist().get_nfilters() > 0
        self.gap = self.chunk if packed else GAP // max(1, self.width)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Read each chunk once. Raises DataError for one that cannot be read."""
        gather_runs(self.read_run, rows, out, call, chunk=self.chunk, gap=self.gap)

    def read_run(self, begin: int, end: int, out: NDArray[Any]) -> None:
        """Read neighbouring rows."""
        with foreign("unreadable", self.place(begin, end)):
            if self.dataset.dtype.subdtype is not None:
                out[...] = self.dataset[begin:end]
                return
            if self.gaps is not None:
                out[...] = np.zeros(
                    (), out.dtype
                )  # where there is no fill value, HDF5 leaves memory as it is
            self.dataset.read_direct(out, np.s_[begin:end])

    def place(self, begin: int, end: int) -> str:
        """Rows, for messages."""
        return f"{self.where}, rows {begin:,} to {end:,}"

    def absent(self, rows: Numbers) -> Mask | None:
        """See `missing.Incomplete`."""
        return None if self.gaps is None else self.gaps.absent(rows)

    @property
    def foreseen(self) -> bool:
        """Whether it costs next to nothing to ask which rows lack data."""
        return isinstance(self.gaps, GoneChunks)

    def lack(self, row: int | None = None) -> DataError:
        """See `missing.Incomplete`."""
        assert self.gaps is not None  # noqa: S101 - only those that lack something are asked
        return self.gaps.lack(row)

    def close(self) -> None:
        """Whoever opened the file closes it."""


class ChunksColumn(DatasetColumn):
    """Chunks that are neither compressed nor cut across rows."""

    def __init__(self, where: str, dataset: h5py.Dataset, chunks: Chunks, gaps: Gaps | None) -> None:
        super().__init__(where, dataset, gaps)
        self.chunks = chunks

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Copy the rows; those that were never written hold the fill value."""
        if not out.nbytes:
            return
        memory, begins = self.table()[:2]
        chunk, row = np.divmod(rows, self.chunk)
        offsets = np.where(begins[chunk] < 0, NOWHERE, begins[chunk] + row * self.width)
        if self.stored == out.dtype:
            take_at(as_bytes(out), memory, offsets)
        else:  # in another byte order, or in several: numpy knows which field has which
            rough = call.lease(out.nbytes)[: out.nbytes]
            take_at(rough.reshape(len(out), self.width), memory, offsets)
            out[...] = rough.view(self.stored).reshape(out.shape)
        if (offsets < 0).any():
            out[offsets < 0] = self.fill

    def table(self) -> Chunks:
        """Where the chunks lie, while they do."""
        if not len(self.chunks.memory):  # a kernel would read where nothing is mapped any more
            raise ClosedRun(f"{self.where}: read after it was closed")
        return self.chunks

    def close(self) -> None:
        """Let go of the map."""
        self.chunks = self.chunks._replace(memory=np.empty(0, np.uint8))


class CodedColumn(ChunksColumn):
    """Chunks that went through filters, in the order in which they were applied."""

    def __init__(
        self,
        where: str,
        dataset: h5py.Dataset,
        chunks: Chunks,
        gaps: Gaps | None,
        filters: Sequence[Filter],
    ) -> None:
        super().__init__(where, dataset, chunks, gaps)
        self.filters = filters

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Expand each chunk once. Raises DataError for one that cannot be."""
        gather_runs(self.read_run, rows, out, call, chunk=self.chunk, gap=self.chunk)

    def read_run(self, begin: int, end: int, out: NDArray[Any]) -> None:
        """Write neighbouring rows, chunk by chunk."""
        for number in range(begin // self.chunk, -(-end // self.chunk)):
            first = number * self.chunk
            a, b = max(begin, first), min(end, first + self.chunk)
            out[a - begin : b - begin] = self.expanded(number)[a - first : b - first]

    def expanded(self, number: int) -> NDArray[Any]:
        """The rows of a chunk."""
        memory, begins, sizes, skipped = self.table()
        shape = (self.chunk, *self.shape[1:])
        if begins[number] < 0:
            filled: NDArray[Any] = np.broadcast_to(self.fill, shape)
            return filled
        wanted = self.chunk * self.width
        begin = number * self.chunk
        where = self.place(begin, min(begin + self.chunk, self.shape[0]))
        data = memory[begins[number] :][: sizes[number]]
        try:
            data = expanded(data, self.filters, int(skipped[number]), wanted)
        except ValueError as error:
            raise DataError(
                "unreadable", where=where, found=str(error), wanted=f"{wanted:,} bytes"
            ) from error
        if len(data) != wanted:
            raise DataError(WRONG_SIZE, where=where, found=f"{len(data):,} bytes", wanted=f"{wanted:,} bytes")
        rows: NDArray[Any] = data.view(self.stored).reshape(shape)
        return rows


def fill_of(dataset: h5py.Dataset) -> NDArray[Any]:
    """What stands for data that were never written; zeros where the file says that nothing does."""
    plist = dataset.id.get_create_plist()
    base, inner = dataset.dtype.subdtype or (dataset.dtype, ())
    if plist.get_fill_time() == NEVER or plist.fill_value_defined() == UNDEFINED:
        return np.zeros(inner, base)
    fill: NDArray[Any] = np.asarray(dataset.fillvalue, None if inner else base)
    return fill
