"""Windows of an array that zarr-python reads, or zarrs behind it: what ChunkReader does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.formats.zarr.chunks.grid import PIECE, Box, Grid, Piece
from flowload.formats.zarr.chunks.places import (
    ABSENT,
    Chunks,
    Coords,
    Encode,
    PlainChunks,
    ShardChunks,
    ShardLayout,
)
from flowload.formats.zarr.chunks.reader import Lease

from .gaps import Gaps
from .stores import Place

if TYPE_CHECKING:
    import zarr

    from .counted_store import Asked

__all__ = ["LibraryReader"]


class LibraryReader:
    """Pieces are rows up to the border of a chunk, or of a shard.

    Args:
        location: for messages.
        pipeline: "zarrs" or "zarr-python".
        grid: of the files: chunks, or shards.
        array: opened with that pipeline.
        place: its store, which is closed with it.
        layout: of shards, where their indices can be read.
    """

    def __init__(
        self,
        location: str,
        pipeline: str,
        grid: Grid,
        array: zarr.Array[Any],
        place: Place,
        layout: ShardLayout | None,
    ) -> None:
        self.location = location
        self.pipeline = pipeline
        self.grid = grid
        self.array = array
        self.place = place
        self.layout = layout
        self.encode = array.metadata.encode_chunk_key
        self.dtype = array.dtype.newbyteorder("=")
        self.nothing: DataError | None = None  #: see `ChunkReader`
        inner = grid if layout is None else Grid(grid.shape, layout.chunk, grid.take, grid.itemsize)
        fill = self.dtype.type(0 if array.fill_value is None else array.fill_value)
        self.gaps = Gaps(location, inner, chunks_of(place, self.encode, layout, location), fill)

    @property
    def route(self) -> str:
        """How chunks are read: a short text for messages."""
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
        box = (slice(piece.begin, piece.end), *(slice(0, n) for n in self.grid.take[1:]))
        self.read_box(box, out[piece.begin - start : piece.end - start])

    def read_box(self, box: Box, part: NDArray[Any]) -> None:
        """Write a box of the array to memory of its shape, and note what was not there. Raises DataError."""
        from .counted_store import asking  # noqa: PLC0415 - imports zarr

        begin, end = box[0].start, box[0].stop
        if self.pipeline == "zarrs":
            self.gaps.look(np.arange(begin, end))  # it would wait for a pipe
        where = f"{self.location}: rows {begin:,} to {end:,}"
        with asking() as asked, foreign("unreadable chunk", where):
            self.write(box, part)
        self.tell(box, asked)

    def read_chunk(self, coords: Coords, rows: slice) -> NDArray[Any]:
        """See `ChunkReader.read_chunk`."""
        first, *rest = self.gaps.grid.box(coords)
        box = (slice(first.start + rows.start, first.start + rows.stop), *rest)
        out = np.empty([side.stop - side.start for side in box], self.dtype)
        if self.pipeline == "zarrs":
            self.gaps.look(np.array([box[0].start]))
        with foreign("unreadable chunk", f"{self.location}: chunk {self.gaps.chunks.name(coords)}"):
            self.write(box, out)
        return out

    def write(self, box: Box, part: NDArray[Any]) -> None:
        """Read a box of the array to memory of that shape."""
        from zarr.core.buffer.cpu import NDBuffer  # noqa: PLC0415 - zarr is imported when it is used

        if part.dtype == self.array.dtype:
            self.array.get_basic_selection(box, out=NDBuffer(cast("Any", part)))
        else:
            part[...] = self.array[box]

    def tell(self, box: Box, asked: Asked) -> None:
        """Note which chunks of a box do not exist."""
        if self.pipeline == "zarrs":  # it reads files by itself, and does not tell
            coords = list(product(*spans(box, self.gaps.grid)))
            gone = [each for each, there in zip(coords, self.gaps.which(coords), strict=True) if not there]
        elif asked.missing or asked.indices:
            gone = list(self.missed(box, asked))
        else:
            return
        for each in gone:
            self.gaps.note(each)

    def missed(self, box: Box, asked: Asked) -> Iterator[Coords]:
        """The chunks of a box that zarr-python asked for in vain, or did not find in an index."""
        within = spans(box, self.gaps.grid)
        for coords in product(*spans(box, self.grid)):
            key = self.place.key(self.encode(coords))
            if self.layout is None:
                inner: Iterable[Coords] = [coords] if key in asked.missing else ()
            else:
                inner = self.missed_inside(self.layout, coords, key, asked)
            for each in inner:
                if all(place in span for place, span in zip(each, within, strict=True)):
                    yield each

    def missed_inside(self, layout: ShardLayout, shard: Coords, key: str, asked: Asked) -> Iterator[Coords]:
        """The chunks that a shard does not have."""
        if key in asked.missing:
            numbers: Iterable[int] = range(prod(layout.across))
        elif key in asked.indices:
            index = layout.parse(*asked.indices[key], f"{self.location}: shard {self.encode(shard)}")
            numbers = np.flatnonzero(index[:, 0] == ABSENT).tolist()
        else:
            return
        for number in numbers:
            yield layout.inner(shard, number)

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and were filled."""
        return self.gaps.reads

    def close(self) -> None:
        """Close the store."""
        self.place.close()


def spans(box: Box, grid: Grid) -> list[range]:
    """Along each axis the chunks that a box touches."""
    return [
        range(side.start // size, -(-side.stop // size)) for side, size in zip(box, grid.chunks, strict=True)
    ]


def chunks_of(place: Place, encode: Encode, layout: ShardLayout | None, location: str) -> Chunks:
    """Who looks for chunks that somebody else reads."""
    if place.files is not None and layout is None:
        return PlainChunks(place.files, encode)
    if place.files is not None and layout is not None and place.positional:
        return ShardChunks(place.files, encode, layout, location)
    from .counted_store import StoreChunks  # noqa: PLC0415 - imports zarr

    return StoreChunks(place, encode, layout, location)
