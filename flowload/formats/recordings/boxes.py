"""Series of libraries that read a box of an array into memory: HDF5, memory maps, zarr-python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays

from .selection.extract import Extract, Part
from .selection.units import Units
from .series import Lacks, Lease, NoGaps

__all__ = ["Box", "BoxReader", "BoxSeries", "ReadBox"]

PIECE = 16 << 20  #: bytes that one call reads, about: enough to pay for a hop, little enough to stop within
SCRATCH = 1 << 20  #: bytes that go through the cache at a time where a box is not what the window has

STORED = NoGaps()

Box: TypeAlias = tuple[slice, ...]
ReadBox: TypeAlias = Callable[[Box, NDArray[Any]], None]  #: writes a box to a C-contiguous array of its shape


def nothing() -> None:
    """Nothing to close."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxSeries:
    """See `Series`; what a new kind of file needs to make.

    Args:
        location: for messages.
        shape: time first.
        dtype: of what `read_box` writes: in this machine's byte order.
        chunks: shape of what is decoded as a whole; ones where nothing is.
        route: a short text.
        read_box: writes a box of the array (slices with steps of 1) to memory of its shape; called by
            several threads at once; raises DataError.
        files: that must stay as they are.
        gaps: what was never stored.
        closing: lets go of files.
        units: what makes a quantity of its numbers.
    """

    location: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    route: str
    read_box: ReadBox
    files: Sequence[Path] = ()
    gaps: Lacks = STORED
    closing: Callable[[], None] = nothing
    units: Units | None = None

    def reader(self, extracts: Mapping[str, Extract]) -> BoxReader:
        """See `Series`."""
        return BoxReader(self, extracts)

    def close(self) -> None:
        """See `Series`."""
        self.closing()


class Side(NamedTuple):
    """A box of rows, behind time, and what of it each key has."""

    box: tuple[slice, ...]
    parts: Sequence[tuple[str, Part]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row of the box."""
        return tuple(side.stop - side.start for side in self.box)


class BoxReader:
    """See `RowReader`. Pieces are rows, cut where chunks begin.

    Where elements can be read by themselves each extract has a box of its own; else each chunk that holds
    some of any is read once; all of them at once where none is left out.
    """

    def __init__(self, series: BoxSeries, extracts: Mapping[str, Extract]) -> None:
        self.series = series
        self.extracts = extracts
        self.sides = list(sides_of(series, extracts))
        self.whole = (
            all(extract.takes_all(series.shape[1:], series.dtype) for extract in extracts.values())
            and len(extracts) == 1
        )

    @property
    def row_bytes(self) -> int:
        """Of all boxes, in the array's own dtype."""
        return sum(prod(side.shape) for side in self.sides) * self.series.dtype.itemsize

    @property
    def scratch(self) -> int:
        """See `RowReader`."""
        return 0 if self.whole else max(SCRATCH, self.series.chunks[0] * self.row_bytes)

    def pieces(self, start: int, stop: int) -> list[tuple[int, int]]:
        """First row, and behind the last: whole chunks, about `PIECE` bytes of them."""
        long = self.series.chunks[0]
        step = max(1, PIECE // max(1, self.row_bytes * long)) * long
        return list(pairwise([start, *range((start // step + 1) * step, stop, step), stop]))

    def read(self, piece: tuple[int, int], start: int, out: NamedArrays, lease: Lease) -> None:
        """See `RowReader`."""
        begin, stop = piece
        views = {key: extract.view(out[key]) for key, extract in self.extracts.items()}
        for side in self.sides:
            if self.whole:
                (view,) = views.values()
                self.series.read_box((slice(begin, stop), *side.box), view[begin - start : stop - start])
                continue
            for first, last in self.steps(side, begin, stop):
                block = self.scratch_of(side, last - first, lease)
                self.series.read_box((slice(first, last), *side.box), block)
                for key, part in side.parts:
                    self.extracts[key].write(block, part, views[key][first - start : last - start])

    def steps(self, side: Side, begin: int, stop: int) -> list[tuple[int, int]]:
        """Rows that are read at once: some that stay in the cache, or a chunk, which is decoded once."""
        long = self.series.chunks[0]
        row = max(1, prod(side.shape) * self.series.dtype.itemsize)
        step = max(1, SCRATCH // (row * long)) * long
        return list(pairwise([begin, *range((begin // step + 1) * step, stop, step), stop]))

    def scratch_of(self, side: Side, rows: int, lease: Lease) -> NDArray[Any]:
        """Memory for a box."""
        memory = lease(rows * prod(side.shape) * self.series.dtype.itemsize)
        return memory.view(self.series.dtype).reshape(rows, *side.shape)


def sides_of(series: BoxSeries, extracts: Mapping[str, Extract]) -> list[Side]:
    """The boxes of a row that are read, and what is taken of each."""
    behind, chunks = series.shape[1:], series.chunks[1:]
    if prod(series.chunks) == 1:
        sides = []
        for key, extract in extracts.items():
            (part,) = extract.parts(behind)
            box = extract.hull
            sides.append(Side(box, [(key, part.moved([side.start for side in box]))]))
        return sides
    every = prod(-(-size // chunk) for size, chunk in zip(behind, chunks, strict=True))
    held: dict[tuple[int, ...], list[tuple[str, Part]]] = {}
    for key, extract in extracts.items():
        for part in extract.parts(chunks):
            held.setdefault(part.coords, []).append((key, part))
    if len(held) == every:
        whole = [(key, part) for key, extract in extracts.items() for part in extract.parts(behind)]
        return [Side(tuple(slice(0, size) for size in behind), whole)]
    return [
        Side(
            tuple(
                slice(place * chunk, min((place + 1) * chunk, size))
                for place, chunk, size in zip(coords, chunks, behind, strict=True)
            ),
            parts,
        )
        for coords, parts in held.items()
    ]
