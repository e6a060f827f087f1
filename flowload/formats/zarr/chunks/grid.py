"""Which chunks of an array hold a window of its rows, and where in the window they belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, TypeAlias

__all__ = ["PIECE", "Box", "Grid", "Patch", "Piece"]

Box: TypeAlias = tuple[slice, ...]

PIECE = 16 << 20  #: bytes that one call reads, about: enough to pay for a hop, little enough to stop within


class Piece(NamedTuple):
    """Part of a window that is read by one call: chunks `first` to `stop`, of those only rows of a range."""

    first: int  #: number of a chunk in the window: first rising in time, then along the other axes
    stop: int
    begin: int  #: row of the array
    end: int


class Patch(NamedTuple):
    """What of one chunk belongs to a window."""

    coords: tuple[int, ...]  #: of the chunk
    inside: Box  #: of the chunk
    target: Box  #: of the window


@dataclass(frozen=True)
class Grid:
    """A regular grid of chunks, the last ones of each axis cut by the array's end.

    Args:
        shape: of the array.
        chunks: shape of a chunk.
        take: how far each axis is read; axis 0 is time, and always read to its end.
        itemsize: bytes of an element.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    take: tuple[int, ...]
    itemsize: int

    @property
    def across(self) -> tuple[int, ...]:
        """Chunks along each axis but time."""
        return tuple(-(-n // c) for n, c in zip(self.take[1:], self.chunks[1:], strict=True))

    @property
    def every(self) -> tuple[int, ...]:
        """Chunks along each axis, as far as it is read."""
        return (-(-self.take[0] // self.chunks[0]), *self.across)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk: those at the ends are as large as the others."""
        return prod(self.chunks) * self.itemsize

    def pieces(self, start: int, stop: int, *, parts: bool, width: int | None = None) -> list[Piece]:
        """The window of rows `start` to `stop`, cut to pieces of about equal work.

        Args:
            start: first row.
            stop: behind the last row.
            parts: whether part of a chunk can be read by itself; else a chunk is in one piece.
            width: chunks beside each other that are read; None: all.
        """
        long, width = self.chunks[0], prod(self.across) if width is None else width
        bands = -(-stop // long) - start // long
        whole = min(self.chunk_bytes, (stop - start) * self.chunk_bytes // long)
        if parts and whole > PIECE:
            step = max(1, PIECE * long // self.chunk_bytes)  # rows
            return [
                Piece(k, k + 1, begin, end)
                for k in range(bands * width)
                for begin, end in self.rows(k // width, start, stop, step)
            ]
        group = max(1, PIECE // max(whole, 1))
        total = bands * width
        return [Piece(k, min(k + group, total), start, stop) for k in range(0, total, group)]

    def rows(self, number: int, start: int, stop: int, step: int) -> list[tuple[int, int]]:
        """The rows of a window that are in one of its bands of chunks, cut at multiples of `step`."""
        long = self.chunks[0]
        band = (start // long + number) * long
        begin, end = max(start, band), min(stop, band + long)
        return [(row, min(row + step, end)) for row in range(begin, end, step)]

    def patches(self, piece: Piece, start: int) -> Iterator[Patch]:
        """The parts of chunks that a piece of the window from row `start` consists of."""
        long, across = self.chunks[0], self.across
        for number in range(piece.first, piece.stop):
            band, rest = divmod(number, prod(across))
            band += start // long
            begin, end = max(piece.begin, band * long), min(piece.end, (band + 1) * long)
            coords, inside, target = [band], [slice(begin - band * long, end - band * long)], []
            target.append(slice(begin - start, end - start))
            for axis, place in enumerate(unravel(rest, across), 1):
                size = self.chunks[axis]
                width = min(size, self.take[axis] - place * size)
                coords.append(place)
                inside.append(slice(0, width))
                target.append(slice(place * size, place * size + width))
            yield Patch(tuple(coords), tuple(inside), tuple(target))

    def patch(self, coords: tuple[int, ...]) -> Patch:
        """All of a chunk that is read, as an array of its own."""
        sides = zip(coords, self.chunks, self.take, strict=True)
        inside = tuple(slice(0, min(size, end - place * size)) for place, size, end in sides)
        return Patch(coords, inside, inside)

    def box(self, coords: tuple[int, ...]) -> Box:
        """Where the same lies in the array."""
        sides = zip(coords, self.chunks, self.take, strict=True)
        return tuple(slice(place * size, min((place + 1) * size, end)) for place, size, end in sides)

    def is_whole_rows(self, patch: Patch) -> bool:
        """A patch takes everything of its chunk along the axes behind time."""
        return all(part.stop == size for part, size in zip(patch.inside[1:], self.chunks[1:], strict=True))


def unravel(number: int, shape: tuple[int, ...]) -> list[int]:
    """The place of a number that counts along the last axis first."""
    places = []
    for size in reversed(shape):
        number, place = divmod(number, size)
        places.append(place)
    return places[::-1]
