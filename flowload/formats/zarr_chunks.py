"""Windows of an array whose chunks are read by ourselves: positional reads, and decoders where needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.protocols import Bytes

from .chunk_codecs import Coding, decoder
from .chunk_files import ChunkFiles, Extent, opened, read_exactly
from .chunk_grid import Grid, Patch, Piece

if TYPE_CHECKING:
    import zarr

__all__ = ["ChunkReader", "Lease"]

Lease: TypeAlias = Callable[[int], Bytes]  #: gives scratch memory of so many bytes

SCRATCH = 1 << 18  #: bytes that go through the cache at a time where rows must be cut or spread


class ChunkReader:
    """See the module. Several threads may read at once; nothing stays open between calls."""

    def __init__(
        self, location: str, grid: Grid, array: zarr.Array[Any], coding: Coding, files: ChunkFiles
    ) -> None:
        self.location = location
        self.grid = grid
        self.coding = coding
        self.files = files
        self.key = array.metadata.encode_chunk_key
        self.dtype = coding.dtype.newbyteorder("=")
        fill = array.fill_value
        self.fill = self.dtype.type(0 if fill is None else fill)
        self.decode = decoder(coding)
        self.raw = not coding.codec and not coding.checked
        #: the bytes of a chunk are those of the window, so far as they lie in the same places
        self.plain = coding.order == "C" and coding.dtype == self.dtype
        self.missing = 0  #: chunks that were asked for, do not exist, and were filled
        self.lock = threading.Lock()
        self.row_bytes = grid.chunk_bytes // grid.chunks[0]

    @property
    def route(self) -> str:
        """How it is read, in words."""
        codec = " + ".join(filter(None, (self.coding.codec, "crc32c" if self.coding.checked else "")))
        return f"pread + {codec}" if codec else "pread"

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """The window of rows `start` to `stop`, cut into calls of `read`."""
        return self.grid.pieces(start, stop, parts=self.raw and self.coding.order == "C")

    def read(self, piece: Piece, start: int, out: NDArray[Any], lease: Lease) -> None:
        """Write a piece of the window from row `start` on to its place in `out`. Raises DataError.

        A chunk that does not exist holds the fill value; it counts as missing.
        """
        for patch in self.grid.patches(piece, start):
            key = self.key(patch.coords)
            where = f"{self.location}: chunk {key}"
            try:
                with opened(self.files, key) as extent:
                    self.place(extent, patch, out[patch.target], lease, where)
            except OSError as error:
                raise DataError("unreadable chunk", where=where, found=str(error)) from error

    def place(self, extent: Extent | None, patch: Patch, out: NDArray[Any], lease: Lease, where: str) -> None:
        """Write what one chunk gives. Raises DataError and OSError."""
        if extent is None:
            out[...] = self.fill
            with self.lock:
                self.missing += 1
        elif self.raw:
            self.copy(extent, patch, out, lease, where)
        else:
            self.unpack(extent, patch, out, lease, where)

    def copy(self, extent: Extent, patch: Patch, out: NDArray[Any], lease: Lease, where: str) -> None:
        """A chunk as it lies on disk: only the rows that are wanted are read."""
        if extent.size != self.grid.chunk_bytes:
            found, wanted = f"{extent.size:,} bytes", f"{self.grid.chunk_bytes:,}"
            raise DataError("corrupt chunk", where=where, found=found, wanted=wanted)
        if self.coding.order != "C":
            memory = lease(extent.size)
            read_exactly(extent, 0, memory, where)
            np.copyto(out, self.shown(memory)[patch.inside])
            return
        first = patch.inside[0].start
        if self.plain and out.flags.c_contiguous and self.grid.is_whole_rows(patch):
            read_exactly(extent, first * self.row_bytes, as_bytes(out), where)
            return
        step = max(1, SCRATCH // self.row_bytes)
        memory = lease(min(step, len(out)) * self.row_bytes)
        for row in range(0, len(out), step):
            part = memory[: min(step, len(out) - row) * self.row_bytes]
            read_exactly(extent, (first + row) * self.row_bytes, part, where)
            np.copyto(out[row : row + step], self.shown(part)[(slice(None), *patch.inside[1:])])

    def unpack(self, extent: Extent, patch: Patch, out: NDArray[Any], lease: Lease, where: str) -> None:
        """A chunk that must be decoded as a whole: straight to its place if all of it is wanted."""
        packed = lease(extent.size)
        read_exactly(extent, 0, packed, where)
        whole = patch.inside[0] == slice(0, self.grid.chunks[0]) and self.grid.is_whole_rows(patch)
        direct = whole and self.plain and out.flags.c_contiguous
        memory = as_bytes(out) if direct else lease(self.grid.chunk_bytes)
        try:
            self.decode(packed, memory)
        except ValueError as error:
            wanted = f"{self.grid.chunk_bytes:,} bytes by {self.coding.codec or 'crc32c'}"
            raise DataError("corrupt chunk", where=where, found=str(error), wanted=wanted) from error
        if not direct:
            np.copyto(out, self.shown(memory)[patch.inside])

    def shown(self, memory: Bytes) -> NDArray[Any]:
        """Decoded bytes of rows of a chunk as an array, one row a step of the first axis."""
        if self.coding.order == "C":
            return memory.view(self.coding.dtype).reshape(-1, *self.grid.chunks[1:])
        return memory.view(self.coding.dtype).reshape(self.grid.chunks, order="F")

    def close(self) -> None:
        """Nothing is open."""


def as_bytes(array: NDArray[Any]) -> Bytes:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8)
