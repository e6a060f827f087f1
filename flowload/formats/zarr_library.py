"""Windows of an array that zarr-python reads, or zarrs behind it: what ChunkReader does not know."""

from __future__ import annotations

import threading
import zlib
from importlib.metadata import version
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from flowload.errors import DataError

from .chunk_files import ChunkFiles
from .chunk_grid import PIECE, Grid, Piece
from .zarr_chunks import Lease
from .zarr_stores import Place

if TYPE_CHECKING:
    import zarr

__all__ = ["LibraryReader"]

#: What codecs raise for bytes that they cannot decode.
FAULTS = (ValueError, RuntimeError, OSError, EOFError, KeyError, IndexError, zlib.error)


class LibraryReader:
    """Pieces are rows up to the border of a chunk, or of a shard.

    Args:
        location: for messages.
        pipeline: "zarrs" or "zarr-python".
        grid: of the files: chunks, or shards.
        array: opened with that pipeline.
        place: its store, which is closed with it.
    """

    def __init__(
        self,
        location: str,
        pipeline: str,
        grid: Grid,
        array: zarr.Array[Any],
        place: Place,
    ) -> None:
        self.location = location
        self.pipeline = pipeline
        self.grid = grid
        self.array = array
        self.place = place
        self.absent = 0
        self.lock = threading.Lock()
        self.dtype = array.dtype.newbyteorder("=")

    @property
    def route(self) -> str:
        """How it is read, in words."""
        package = "zarr" if self.pipeline == "zarr-python" else self.pipeline
        return f"{self.pipeline} {version(package)}"

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """The window of rows `start` to `stop`, cut into calls of `read`."""
        long = self.grid.chunks[0]
        row = prod(self.grid.take[1:]) * self.grid.itemsize
        step = max(1, PIECE // max(1, row * long)) * long
        borders = [start, *range((start // step + 1) * step, stop, step), stop]
        return [Piece(0, 0, a, b) for a, b in pairwise(borders)]

    def read(self, piece: Piece, start: int, out: NDArray[Any], lease: Lease) -> None:  # noqa: ARG002 - its own
        """See `ChunkReader.read`."""
        from zarr.core.buffer.cpu import NDBuffer  # noqa: PLC0415 - zarr is imported when it is used

        part = out[piece.begin - start : piece.end - start]
        box = (slice(piece.begin, piece.end), *(slice(0, n) for n in self.grid.take[1:]))
        try:
            if part.dtype == self.array.dtype:
                self.array.get_basic_selection(box, out=NDBuffer(cast("Any", part)))
            else:
                part[...] = self.array[box]
        except FAULTS as error:
            where = f"{self.location}: rows {piece.begin:,} to {piece.end:,}"
            raise DataError("corrupt chunk", where=where, found=f"{error}") from error
        if self.pipeline == "zarrs" and self.place.files is not None:
            absent = self.count_absent(piece, self.place.files)
            with self.lock:
                self.absent += absent

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and were filled."""
        return self.absent + getattr(self.place.store, "missing", 0)

    def count_absent(self, piece: Piece, files: ChunkFiles) -> int:
        """Chunks of a piece that do not exist: zarrs does not tell."""
        long = self.grid.chunks[0]
        bands = range(piece.begin // long, -(-piece.end // long))
        key = self.array.metadata.encode_chunk_key
        places = product(bands, *map(range, self.grid.across))
        return sum(not files.has(key(coords)) for coords in places)

    def close(self) -> None:
        """Close the store."""
        self.place.close()
