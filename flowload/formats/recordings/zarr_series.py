"""Arrays in zarr as series of a recording: whole rows as they are, and parts of rows by their chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays
from flowload.formats.zarr.chunks.grid import PIECE, Piece
from flowload.formats.zarr.chunks.reader import BLOCK, SCRATCH, SLACK, ChunkReader
from flowload.formats.zarr.gaps import Gaps
from flowload.formats.zarr.opening import OpenArray
from flowload.formats.zarr.watch import documents_of, stored_documents
from flowload.kernels.streaming import is_large

from .boxes import BoxReader, BoxSeries
from .selection.extract import Extract, Part
from .selection.taking import taking_of
from .selection.units import Units
from .series import Lease, RowReader

__all__ = ["ZarrSeries"]


class ZarrSeries:
    """See `Series`.

    Args:
        array: is closed with it.
        units: what makes a quantity of its numbers.
    """

    def __init__(self, array: OpenArray, units: Units | None = None) -> None:
        self.units = units
        self.array = array
        self.location = array.location
        self.shape = array.grid.take
        self.chunks = array.grid.chunks
        self.dtype: np.dtype[Any] = array.dtype
        self.route = array.route
        self.gaps: Gaps = array.gaps

    @property
    def files(self) -> Sequence[Path]:
        """See `Series`."""
        return documents_of(self.location)

    @property
    def documents(self) -> Mapping[str, bytes]:
        """What stands for files of an array in a store."""
        return stored_documents(self.array)

    def reader(self, extracts: Mapping[str, Extract]) -> RowReader:
        """See `Series`."""
        behind = self.gaps.grid.chunks[1:]
        sides = {part.coords for extract in extracts.values() for part in extract.parts(behind)}
        self.gaps.needed = sorted(sides)
        if len(extracts) == 1:
            ((key, extract),) = extracts.items()
            if extract.takes_all(self.shape[1:], self.dtype):
                return WholeRows(self.array, key)
        if isinstance(self.array, ChunkReader):
            return ChunkParts(self.array, extracts)
        return BoxReader(self.as_boxes(self.array.read_box), extracts)

    def as_boxes(self, read_box: Any) -> BoxSeries:
        """The same array as what reads boxes."""
        return BoxSeries(
            location=self.location,
            shape=self.shape,
            dtype=self.dtype,
            chunks=(self.chunks[0], *self.gaps.grid.chunks[1:]),  # of shards only the chunks that are needed
            route=self.route,
            read_box=read_box,
            gaps=self.gaps,
        )

    def close(self) -> None:
        """See `Series`."""
        self.array.close()


class WholeRows:
    """Rows as they are, straight into the window: see `RowReader`."""

    def __init__(self, array: OpenArray, key: str) -> None:
        self.array = array
        self.key = key

    @property
    def scratch(self) -> int:
        """See `RowReader`; nothing where the bytes on disk are those of the window."""
        array, grid = self.array, self.array.grid
        straight = isinstance(array, ChunkReader) and array.in_parts and array.plain
        return 0 if straight and grid.take[1:] == grid.chunks[1:] else scratch_of(array)

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """See `RowReader`."""
        return self.array.pieces(start, stop)

    def read(self, piece: Piece, start: int, out: NamedArrays, lease: Lease) -> None:
        """See `RowReader`."""
        self.array.read(piece, start, out[self.key], lease)


class ChunkParts:
    """Parts of rows, by the chunks that hold some: each is read, and decoded, once for all of them."""

    def __init__(self, array: ChunkReader, extracts: Mapping[str, Extract]) -> None:
        self.array = array
        self.extracts = extracts
        self.sides: dict[tuple[int, ...], list[tuple[str, Part]]] = {}
        for key, extract in extracts.items():
            for part in extract.parts(array.grid.chunks[1:]):
                self.sides.setdefault(part.coords, []).append((key, part))
        self.places = sorted(self.sides)
        takes = array.plain and (array.in_parts or not array.raw)
        behind = array.grid.chunks[1:]
        self.takings = [
            taking_of(extracts, self.sides[place], behind, array.dtype) if takes else None
            for place in self.places
        ]

    @property
    def scratch(self) -> int:
        """See `RowReader`."""
        return max(scratch_of(self.array), min(BLOCK, self.array.grid.chunk_bytes))

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """See `RowReader`."""
        return self.array.grid.pieces(start, stop, parts=self.array.in_parts, width=len(self.places))

    def read(self, piece: Piece, start: int, out: NamedArrays, lease: Lease) -> None:
        """See `RowReader`."""
        long, width = self.array.grid.chunks[0], len(self.places)
        views = {key: extract.view(out[key]) for key, extract in self.extracts.items()}
        large = {key: is_large(view.nbytes) for key, view in views.items()}
        wanted: list[tuple[int, tuple[int, ...], slice]] = []
        for number in range(piece.first, piece.stop):
            band, side = divmod(number, width)
            origin = (start // long + band) * long
            begin, end = max(piece.begin, origin), min(piece.end, origin + long)
            coords = (origin // long, *self.places[side])
            wanted.append((side, coords, slice(begin - origin, end - origin)))
        openings = self.array.openings([(coords, rows) for _, coords, rows in wanted], lease)
        for (side, coords, rows), opening in zip(wanted, openings, strict=True):
            origin = coords[0] * long - start
            taking = self.takings[side]
            target = None if taking is None else taking.to(views, origin + rows.start, large)
            if target is None or not self.array.take(coords, rows, target, lease, opening):
                blocks = self.array.blocks(coords, rows, lease, opening)
                self.write(blocks, coords[1:], origin, views, large)

    def write(
        self,
        blocks: Iterable[tuple[int, NDArray[Any]]],
        side: tuple[int, ...],
        origin: int,
        views: NamedArrays,
        large: Mapping[str, bool],
    ) -> None:
        """The same some rows at a time, whatever the chunk is: also one that is missing, or broken.

        Args:
            blocks: first row, counted from the chunk's, and rows.
            side: place of the chunk behind the first axis.
            origin: the row of the window at which it begins; below 0: before it.
            views: the window.
            large: of its arrays, those that leave the caches before anybody reads them.
        """
        for row, block in blocks:
            first = origin + row
            for key, part in self.sides[side]:
                rows_of = views[key][first : first + len(block)]
                self.extracts[key].write(block, part, rows_of, large=large[key])


def scratch_of(array: OpenArray) -> int:
    """Bytes that one call of `read` leases: of a chunk as it is packed, and decoded."""
    grid = array.grid
    if isinstance(array, ChunkReader):
        if not array.gaps.chunks.near:  # what a piece asked a store for is all in memory
            return 2 * max(PIECE, grid.chunk_bytes)
        if array.in_parts:
            return min(SCRATCH, grid.chunk_bytes)
        return grid.chunk_bytes * (1 if array.raw else 2) + SLACK
    return prod(grid.chunks) * grid.itemsize
