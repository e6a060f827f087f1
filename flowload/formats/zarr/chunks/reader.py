"""Windows of an array whose chunks are read by ourselves: positional reads, and decoders where needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.files.objects.bring import nothing
from flowload.formats.zarr.gaps import Gaps

from .coding import Coding, decoder
from .files import Extent, opened, read_exactly
from .grid import Grid, Patch, Piece
from .places import Coords, OpenChunks, Opening, Wanted

__all__ = ["BLOCK", "SCRATCH", "SLACK", "ChunkReader", "Lease", "Rows"]

Lease: TypeAlias = Callable[[int], Bytes]  #: gives scratch memory of so many bytes

SLACK = 1 << 16  #: bytes that a codec may add to what it cannot make smaller
SCRATCH = 1 << 18  #: bytes that go through the cache at a time where rows must be cut or spread
BLOCK = 1 << 20  #: the same where Python looks at each: a sixth faster than 256 KiB
CACHED = 1 << 19  #: the same where it does not: half of a core's own cache


class Rows(Protocol):
    """Where rows of a chunk are to go; see `formats.recordings.selection.taking`."""

    def read(self, fd: int, offset: int, rows: int, memory: Bytes, row_bytes: int) -> bool:
        """Take as many rows of a file, by way of this memory; False: they could not be read, or taken."""

    def take(self, block: NDArray[Any]) -> bool:
        """Take rows in memory; False: they could not be taken."""


class ChunkReader:
    """See the module. Several threads may read at once; nothing stays open between calls.

    Args:
        location: for messages.
        grid: of the chunks.
        coding: how they lie on disk.
        chunks: where.
        fill: what rows hold whose chunk does not exist.
    """

    def __init__(self, location: str, grid: Grid, coding: Coding, chunks: OpenChunks, fill: Any) -> None:
        self.location = location
        self.grid = grid
        self.coding = coding
        self.chunks = chunks
        self.dtype = coding.dtype.newbyteorder("=")
        self.fill = self.dtype.type(0 if fill is None else fill)
        self.gaps = Gaps(location, grid, chunks, self.fill)
        self.decode = decoder(coding)
        self.raw = not coding.codec and not coding.checked
        #: the bytes of a chunk are those of the window, so far as they lie in the same places
        self.plain = coding.order == "C" and coding.dtype == self.dtype
        self.row_bytes = grid.chunk_bytes // grid.chunks[0]
        self.nothing: DataError | None = None  #: no chunk exists, where that may be

    @property
    def in_parts(self) -> bool:
        """Whether some rows of a chunk can be read by themselves."""
        return self.raw and self.coding.order == "C"

    @property
    def route(self) -> str:
        """How chunks are read: a short text for messages."""
        codec = " + ".join(filter(None, (self.coding.codec, "crc32c" if self.coding.checked else "")))
        way = "pread" if self.chunks.near else "get"
        return f"{way} + {codec}" if codec else way

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """The window of rows `start` to `stop`, cut into calls of `read`."""
        return self.grid.pieces(start, stop, parts=self.in_parts)

    def read(self, piece: Piece, start: int, out: NDArray[Any], lease: Lease) -> None:
        """Write a piece of the window from row `start` on to its place in `out`. Raises DataError.

        A chunk that does not exist holds the fill value; it is a gap.
        """
        patches = list(self.grid.patches(piece, start))
        openings = self.openings([(patch.coords, patch.inside[0]) for patch in patches], lease)
        for patch, opening in zip(patches, openings, strict=True):
            self.place(patch, out[patch.target], lease, opening)

    def read_chunk(self, coords: Coords, rows: slice) -> NDArray[Any]:
        """Rows of a chunk, counted from its first, as far as they are read. Raises DataError."""
        patch = self.grid.patch(coords)
        patch = patch._replace(inside=(rows, *patch.inside[1:]))
        out = np.empty([side.stop - side.start for side in patch.inside], self.dtype)

        def lease(size: int) -> Bytes:
            return np.empty(size, np.uint8)

        (opening,) = self.openings([(coords, rows)], lease)
        self.place(patch, out, lease, opening)
        return out

    def openings(self, wanted: Sequence[tuple[Coords, slice]], lease: Lease) -> Sequence[Opening]:
        """What opens each chunk of which these rows will be read, in the order in which they will be."""
        asked = [
            Wanted(coords, rows.start * self.row_bytes, rows.stop * self.row_bytes)
            if self.in_parts
            else Wanted(coords)
            for coords, rows in wanted
        ]
        # Nearly always a method of a call, which knows whether anybody waits for what a store is asked for.
        call = getattr(lease, "__self__", None)
        return self.chunks.open_all(asked, getattr(call, "go_on", nothing))

    def place(self, patch: Patch, out: NDArray[Any], lease: Lease, opening: Opening) -> None:
        """Write what one chunk gives. Raises DataError."""
        where = f"{self.location}: chunk {self.chunks.name(patch.coords)}"
        try:
            with opened(opening()) as extent:
                if extent is None:
                    out[...] = self.fill
                    self.gaps.note(patch.coords)
                    return
                self.gaps.found(patch.coords)
                (self.copy if self.raw else self.unpack)(extent, patch, out, lease, where)
        except OSError as error:
            raise DataError("unreadable chunk", where=where, found=str(error)) from error

    def blocks(
        self, coords: Coords, rows: slice, lease: Lease, opening: Opening
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of a chunk, some at a time: the first of them, counted from the chunk's, and they as stored.

        As many as stay in the cache, so that several parts of them can be taken one after the other; they
        are good until the next are asked for. Raises DataError. A chunk that does not exist is a gap.
        """
        where = f"{self.location}: chunk {self.chunks.name(coords)}"
        try:
            with opened(opening()) as extent:
                if extent is None:
                    self.gaps.note(coords)
                    shape = (rows.stop - rows.start, *self.grid.chunks[1:])
                    yield rows.start, np.broadcast_to(self.fill, shape)
                    return
                self.gaps.found(coords)
                by_rows = self.in_parts
                yield from (self.raw_blocks if by_rows else self.whole_blocks)(extent, rows, lease, where)
        except OSError as error:
            raise DataError("unreadable chunk", where=where, found=str(error)) from error

    def take(self, coords: Coords, rows: slice, target: Rows, lease: Lease, opening: Opening) -> bool:
        """Have rows of a chunk taken in one go, where there is a chunk and it is as it should be.

        False: nothing is said of why; `blocks` will. Raises DataError for a chunk that cannot be decoded.
        """
        where = f"{self.location}: chunk {self.chunks.name(coords)}"
        try:
            with opened(opening()) as extent:
                if extent is None or (self.raw and extent.size != self.grid.chunk_bytes):
                    return False
                self.gaps.found(coords)
                count = rows.stop - rows.start
                if self.in_parts and extent.fd < 0:
                    memory = lease(count * self.row_bytes)
                    read_exactly(extent, rows.start * self.row_bytes, memory, where)
                    return target.take(self.shown(memory))
                if self.in_parts:
                    memory = lease(min(max(1, CACHED // self.row_bytes), count) * self.row_bytes)
                    begin = extent.offset + rows.start * self.row_bytes
                    return target.read(extent.fd, begin, count, memory, self.row_bytes)
                memory = lease(self.grid.chunk_bytes)
                self.decoded(extent, memory, lease, where)
                return target.take(self.shown(memory)[rows])
        except OSError:
            return False

    def raw_blocks(
        self, extent: Extent, rows: slice, lease: Lease, where: str
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Of a chunk as it lies on disk, row after row."""
        self.check_raw(extent.size, where)
        step = max(1, BLOCK // self.row_bytes)
        memory = lease(min(step, rows.stop - rows.start) * self.row_bytes)
        for row in range(rows.start, rows.stop, step):
            part = memory[: min(step, rows.stop - row) * self.row_bytes]
            read_exactly(extent, row * self.row_bytes, part, where)
            yield row, self.shown(part)

    def whole_blocks(
        self, extent: Extent, rows: slice, lease: Lease, where: str
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Of a chunk that is read, or decoded, as a whole."""
        if self.raw:
            self.check_raw(extent.size, where)
            memory = lease(extent.size)
            read_exactly(extent, 0, memory, where)
        else:
            memory = lease(self.grid.chunk_bytes)
            self.decoded(extent, memory, lease, where)
        chunk = self.shown(memory)
        step = max(1, BLOCK // self.row_bytes)
        for row in range(rows.start, rows.stop, step):
            yield row, chunk[row : min(row + step, rows.stop)]

    def check_raw(self, size: int, where: str) -> None:
        """Raise DataError unless a chunk that is not compressed has its size."""
        if size != self.grid.chunk_bytes:
            found, wanted = f"{size:,} bytes", f"{self.grid.chunk_bytes:,}"
            raise DataError("corrupt chunk", where=where, found=found, wanted=wanted)

    def decoded(self, extent: Extent, memory: Bytes, lease: Lease, where: str) -> None:
        """Write the bytes of a chunk to memory of that size. Raises DataError."""
        self.check_packed(extent.size, where)
        packed = lease(extent.size)
        read_exactly(extent, 0, packed, where)
        try:
            self.decode(packed, memory)
        except ValueError as error:
            wanted = f"{self.grid.chunk_bytes:,} bytes by {self.coding.codec or 'crc32c'}"
            raise DataError("corrupt chunk", where=where, found=str(error), wanted=wanted) from error

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and were filled."""
        return self.gaps.reads

    def copy(self, extent: Extent, patch: Patch, out: NDArray[Any], lease: Lease, where: str) -> None:
        """A chunk as it lies on disk: only the rows that are wanted are read."""
        self.check_raw(extent.size, where)
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
        whole = patch.inside[0] == slice(0, self.grid.chunks[0]) and self.grid.is_whole_rows(patch)
        direct = whole and self.plain and out.flags.c_contiguous
        memory = as_bytes(out) if direct else lease(self.grid.chunk_bytes)
        self.decoded(extent, memory, lease, where)
        if not direct:
            np.copyto(out, self.shown(memory)[patch.inside])

    def check_packed(self, size: int, where: str) -> None:
        """Raise DataError for a file far larger than what a codec makes of a chunk, before it is read."""
        most = 2 * self.grid.chunk_bytes + SLACK
        if size > most:
            raise DataError("corrupt chunk", where=where, found=f"{size:,} bytes", wanted=f"at most {most:,}")

    def shown(self, memory: Bytes) -> NDArray[Any]:
        """Decoded bytes of rows of a chunk as an array, one row a step of the first axis."""
        if self.coding.order == "C":
            return memory.view(self.coding.dtype).reshape(-1, *self.grid.chunks[1:])
        return memory.view(self.coding.dtype).reshape(self.grid.chunks, order="F")

    def close(self) -> None:
        """Nothing to close: arrays in memory."""


def as_bytes(array: NDArray[Any]) -> Bytes:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8)
