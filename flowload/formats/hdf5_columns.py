"""Datasets of HDF5, each read the fastest way that it allows.

Contiguous          memory-mapped: an array like any other.
Plain chunks        memory-mapped too: a table says where each chunk begins.
Compressed chunks   (gzip, lzf, shuffle) are expanded from the map, in parallel: h5py has one lock for all.
Anything else       h5py reads it, each chunk once a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from flowload.errors import DataError
from flowload.kernels.lzf import expand_lzf
from flowload.kernels.take import native, take_at
from flowload.protocols import Bytes, Call
from flowload.records import Numbers

from .runs import as_bytes, gather_runs

if TYPE_CHECKING:
    import h5py

__all__ = ["Chunks", "ChunksColumn", "CodedColumn", "DatasetColumn"]

GAP = 64 << 10  #: bytes that are rather read in vain than left out, where chunks are not compressed
ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)
DEFLATE, SHUFFLE, LZF = 1, 2, 32000  #: as HDF5 registers them
NOWHERE = -1  #: of a chunk that was never written


class Chunks(NamedTuple):
    """Where the chunks of a dataset lie, in the order of their rows."""

    memory: Bytes  #: the whole file
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    skipped: NDArray[np.int64]  #: bit k: filter k would not have made the chunk smaller, and was left out


class DatasetColumn:
    """A dataset that h5py reads."""

    def __init__(self, where: str, dataset: h5py.Dataset) -> None:
        self.where = where
        self.dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape
        self.stored: np.dtype[Any] = dataset.dtype
        self.dtype = native(self.stored)
        width = max(1, prod(self.shape[1:]) * self.dtype.itemsize)
        self.chunk: int = dataset.chunks[0] if dataset.chunks else max(1, self.shape[0])
        # A compressed chunk is inflated whole for any row of it.
        compressed = dataset.id.get_create_plist().get_nfilters() > 0
        self.gap = self.chunk if compressed else GAP // width

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Read each chunk once. Raises DataError for one that cannot be read."""
        gather_runs(self.read_run, rows, out, call, chunk=self.chunk, gap=self.gap)

    def read_run(self, begin: int, end: int, out: NDArray[Any]) -> None:
        """Read neighbouring rows."""
        try:
            self.dataset.read_direct(out, np.s_[begin:end])
        except (OSError, RuntimeError) as error:
            raise self.bad(begin, end, str(error)) from error

    def bad(self, begin: int, end: int, found: str, wanted: str = "") -> DataError:
        """Rows that cannot be read."""
        where = f"{self.where}, rows {begin:,} to {end:,}"
        return DataError("unreadable", where=where, found=found, wanted=wanted)

    def close(self) -> None:
        """Whoever opened the file closes it."""


class ChunksColumn(DatasetColumn):
    """Chunks that are neither compressed nor cut across rows."""

    def __init__(self, where: str, dataset: h5py.Dataset, chunks: Chunks) -> None:
        super().__init__(where, dataset)
        self.chunks = chunks

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - nothing to ask
        """Copy the rows; those that were never written hold the fill value."""
        memory, begins = self.chunks[:2]
        width = out.nbytes // max(len(out), 1)
        chunk, row = np.divmod(rows, self.chunk)
        offsets = np.where(begins[chunk] < 0, NOWHERE, begins[chunk] + row * width)
        if width:
            take_at(as_bytes(out), memory, offsets)
        if not self.stored.isnative:
            out.byteswap(inplace=True)
        if (offsets < 0).any():
            out[offsets < 0] = self.dataset.fillvalue

    def close(self) -> None:
        """Let go of the map."""
        self.chunks = self.chunks._replace(memory=np.empty(0, np.uint8))


class CodedColumn(ChunksColumn):
    """Chunks that went through filters: numbers of HDF5, in the order in which they were applied."""

    def __init__(self, where: str, dataset: h5py.Dataset, chunks: Chunks, filters: Sequence[int]) -> None:
        super().__init__(where, dataset, chunks)
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
        memory, begins, sizes, skipped = self.chunks
        shape = (self.chunk, *self.shape[1:])
        if begins[number] < 0:
            filled: NDArray[Any] = np.broadcast_to(self.dataset.fillvalue, shape)
            return filled
        wanted = prod(shape) * self.stored.itemsize
        data = memory[begins[number] :][: sizes[number]]
        try:
            for place, code in reversed(list(enumerate(self.filters))):
                if not skipped[number] >> place & 1:
                    data = undone(code, data, wanted, self.stored.itemsize)
        except (ZLIB_ERROR, ValueError) as error:
            raise self.bad_chunk(number, str(error)) from error
        if len(data) != wanted:
            raise self.bad_chunk(number, f"{len(data):,} bytes", f"{wanted:,} bytes")
        rows: NDArray[Any] = data.view(self.stored).reshape(shape)
        return rows

    def bad_chunk(self, number: int, found: str, wanted: str = "") -> DataError:
        """A chunk that cannot be expanded."""
        begin = number * self.chunk
        return self.bad(begin, min(begin + self.chunk, self.shape[0]), found, wanted)


def undone(code: int, data: Bytes, wanted: int, itemsize: int) -> Bytes:
    """What a filter was given. Raises zlib's error, or ValueError."""
    if code == DEFLATE:
        return np.frombuffer(zlib_ng.decompress(data, bufsize=wanted), np.uint8)
    if code == LZF:
        out = np.empty(wanted, np.uint8)
        size = expand_lzf(data, out)
        if size < 0:
            raise ValueError("LZF data that are damaged")
        return out[:size]
    if len(data) % itemsize:
        raise ValueError(f"{len(data):,} bytes of numbers of {itemsize}")
    # The first bytes of all numbers, then all second bytes ...
    return np.ascontiguousarray(data.reshape(itemsize, -1).T).reshape(-1)
