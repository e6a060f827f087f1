"""The agreements about chunked files: many small records, compressed together, such as lc0's games."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .operators import Bytes, NamedArrays

__all__ = [
    "CHUNK",
    "ORIGIN",
    "BulkFormat",
    "CheckedFormat",
    "ChunkFormat",
    "Layout",
    "Listed",
    "ListingFormat",
    "PackingFormat",
    "RangeRead",
    "RangedFormat",
    "Unpacked",
    "Uses",
]


#: One chunk of a source file, by reference.
CHUNK = np.dtype(
    [
        ("offset", "<i8"),  # of its bytes in the file
        ("size", "<i8"),  # of its bytes in the file
        ("inflated", "<i8"),  # bytes after decompression as the file claims them; -1: unknown
        ("source", "<i4"),  # row in Chunks.sources
        ("index", "<i4"),  # number of the chunk in its file, from 0
        ("records", "<i4"),  # records as the index infers them; -1: unknown
        ("use", "<i4"),  # how often the chunk was used before, from 0
        ("cap", "<i4"),  # at most so many samples of this use (a shard's equal share); -1: all
        ("gzip", "?"),  # its bytes are compressed
    ],
    align=True,
)

#: Where one sample came from, by reference.
ORIGIN = np.dtype([("source", "<i4"), ("chunk", "<i4"), ("record", "<i4")])


class Layout(Protocol):
    """How records become the arrays of a batch."""

    def fields(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Per key: the shape of one sample, and the dtype."""

    def encode(self, rows: Bytes, out: NamedArrays, start: int) -> None:
        """Write records `rows` (n, stride) to `out[key][start : start + n]`; releases the GIL."""


class ChunkFormat(Protocol):
    """Files that hold chunks of records, such as lc0's tars of gzipped games."""

    @property
    def name(self) -> str:
        """The word for `fl.read`."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that a folder search takes."""

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """By name; the first is the default."""

    def index(self, path: str) -> NDArray[np.void]:
        """Where the chunks of a file are, as rows of `CHUNK`, read from headers only.

        Raises DataError (what is not a source of this format) and OSError.
        """

    def inflate(self, fd: int, chunk: np.void, out: Bytes, *, limit: int, where: str) -> tuple[Bytes, int]:
        """Read, inflate and validate one chunk.

        Args:
            fd: the open file; read with positional reads only.
            chunk: its row of the index.
            out: written to from its start when the chunk fits; else the result has memory of its own.
            limit: the largest decompressed size that is accepted, in bytes.
            where: file and chunk, for messages.

        Returns:
            the bytes (a view of `out` if they fit), and the size of one record in bytes.

        Raises DataError and OSError.
        """

    def describe(self, path: str, chunk: np.void) -> str:
        """The chunk's member name, for messages; may read the file."""


class Listed(NamedTuple):
    """What a file holds."""

    table: NDArray[np.void]  #: its chunks: rows of `CHUNK`
    left_out: Mapping[str, int]  #: how many members are no chunks although they might be, by reason
    doubtful: Mapping[str, int] = MappingProxyType({})  #: how many are chunks although they might not be


@runtime_checkable
class ListingFormat(Protocol):
    """A chunk format whose files may hold what cannot be read, without being bad for that."""

    def listed(self, path: str) -> Listed:
        """What `index` gives, and what was left out, from headers only; raises the same."""


class RangeRead(Protocol):
    """A file of which parts are read; `flowload.files` and stores have some."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from an offset on, fewer at the end. Raises OSError and DataError."""


@runtime_checkable
class RangedFormat(Protocol):
    """A chunk format that lists what is in a file of which little is read, such as one in a store."""

    def listed_in(self, file: RangeRead, path: str) -> Listed:
        """See `ListingFormat.listed`.

        Args:
            file: is read at rising offsets, for the most part.
            path: its name, for messages, and for what its ending says.
        """


@runtime_checkable
class CheckedFormat(Protocol):
    """A chunk format that knows which values its records may have."""

    def check(self, records: Bytes, which: NDArray[np.int64] | None, where: str) -> None:
        """Look at the values of the valid records (n, size) of one chunk; releases the GIL.

        Args:
            records: all of the chunk.
            which: those that are taken; None: all. What costs much may be looked at in these alone.
            where: file and chunk, for messages.

        Raises DataError, whose reason names the rule that is broken.
        """


@runtime_checkable
class PackingFormat(Protocol):
    """A chunk format whose records take less memory while they wait: every bit kept, in fewer bytes."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row that nearly every packed record fits into."""

    def pack(self, records: Bytes, which: NDArray[np.int64], out: Bytes) -> bool:
        """Pack records (n, size) of one chunk, those named, to rows of `out`; releases the GIL.

        False: one of them needs a longer row, and `out` holds nothing. Its layouts encode packed rows and
        records as they are on disk.
        """

    def records(self, rows: Bytes) -> Bytes:
        """Records as they are on disk, of rows packed or not: (n, size of the largest), zeros behind each."""


class Uses(NamedTuple):
    """Uses of chunks that are to be unpacked, and which records of each."""

    table: NDArray[np.void]  #: rows of `CHUNK`
    fds: NDArray[np.int32]  #: open files, by source; -1: that one is not open
    keys: NDArray[np.uint64]  #: of the sources: see `kernels.chunks.schedule.choose`, as for the next two
    seed: int
    rule: tuple[int, int, int]
    limit: int  #: a chunk's largest inflated size, in bytes
    checked: bool = True  #: values must keep the format's rules: see `CheckedFormat`


class Unpacked(NamedTuple):
    """Memory for what comes of them."""

    rows: Bytes  #: packed records: (n, row_bytes)
    origin: NDArray[np.void]  #: (n,) of `ORIGIN`
    counts: NDArray[
        np.int64
    ]  #: of each chunk its records, those taken, those that its cap cut off: (chunks, 3)


@runtime_checkable
class BulkFormat(PackingFormat, Protocol):
    """A packing format that can do with many chunks in one call what `inflate` and `pack` do with one."""

    @property
    def in_bulk(self) -> bool:
        """Whether it can on this machine."""

    def unpack(self, uses: Uses, scratch: Bytes, out: Unpacked) -> int:
        """Read, inflate, validate, sample and pack chunks, in order; releases the GIL.

        If the format is a `CheckedFormat`, and if that is asked for, values are checked, too.

        Args:
            uses: of chunks.
            scratch: memory for the largest chunk, as it is in the file and inflated.
            out: written to from its start.

        Returns:
            how many chunks were unpacked. The next one is not as its index says, or is bad, or has no room:
            `inflate` tells.
        """
