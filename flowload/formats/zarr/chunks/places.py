"""Where each chunk of a zarr array lies: in a file of its own, or in a shard with others.

A shard holds an index of where its chunks begin, and how long they are; chunks that were never written have
an entry of ones. An index is read once, checked, and kept as long as its file stays as it is.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError

from .coding import check_crc
from .files import ChunkFiles, Extent, opened, read_exactly

__all__ = [
    "ABSENT",
    "KEPT",
    "Chunks",
    "Coords",
    "Encode",
    "Index",
    "OpenChunks",
    "Opening",
    "PlainChunks",
    "ShardChunks",
    "ShardLayout",
    "Wanted",
    "layout_of",
]

Coords: TypeAlias = tuple[int, ...]
Encode: TypeAlias = Callable[[Coords], str]  #: the name of a chunk's file
Index: TypeAlias = NDArray[np.uint64]  #: of a shard's chunks, (n, 2): where each begins, and its bytes

ABSENT = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ENTRY, CRC = 16, 4  #: bytes of an index: of an entry, and of its checksum
KEPT = 64 << 20  #: bytes of indices that are kept
LARGEST = 1 << 30  #: bytes of an index that we read


class Chunks(Protocol):
    """Where the bytes of each chunk lie, by its coordinates."""

    @property
    def near(self) -> bool:
        """Whether it costs microseconds to look for one."""

    def name(self, coords: Coords) -> str:
        """For messages."""

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """Of each, whether it exists. Raises OSError and DataError."""


class Wanted(NamedTuple):
    """What of a chunk will be read."""

    coords: Coords
    begin: int = 0  #: first byte
    end: int | None = None  #: behind the last; None: all


Opening: TypeAlias = Callable[[], Extent | None]  #: see `ChunkFiles.open`; may raise DataError, too


class OpenChunks(Chunks, Protocol):
    """Chunks whose bytes can be read."""

    def open_all(self, wanted: Sequence[Wanted], go_on: Callable[[], None]) -> Sequence[Opening]:
        """What opens each of some chunks; a store asks for all of them at once, before. Raises DataError.

        Args:
            wanted: which, and what of them.
            go_on: asked while a store is waited for; may raise.
        """


def one_by_one(open_one: Callable[[Coords], Extent | None], wanted: Sequence[Wanted]) -> list[Opening]:
    """See `OpenChunks.open_all`, for files, which cost next to nothing to open."""
    return [partial(open_one, each.coords) for each in wanted]


class PlainChunks:
    """Chunks that are a file each."""

    near = True

    def __init__(self, files: ChunkFiles, encode: Encode) -> None:
        self.files = files
        self.name = encode

    def open_all(self, wanted: Sequence[Wanted], go_on: Callable[[], None]) -> Sequence[Opening]:  # noqa: ARG002
        """See `OpenChunks`."""
        return one_by_one(self.open, wanted)

    def open(self, coords: Coords) -> Extent | None:
        """See `ChunkFiles`; may raise DataError, too."""
        return self.files.open(self.name(coords))

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """See `Chunks`."""
        return [self.files.size(self.name(each)) is not None for each in coords]


@dataclass(frozen=True)
class ShardLayout:
    """How shards are made.

    Args:
        chunk: the shape of a chunk.
        across: chunks of a shard along each axis.
        first: the index is at the beginning of a shard, not at its end.
        checked: a CRC-32C follows the index.
        codecs: of a chunk.
    """

    chunk: Coords
    across: Coords
    first: bool
    checked: bool
    codecs: tuple[Mapping[str, Any], ...]

    @property
    def index_bytes(self) -> int:
        """Of an index."""
        return prod(self.across) * ENTRY + CRC * self.checked

    def split(self, coords: Coords) -> tuple[Coords, int]:
        """The shard that has a chunk, and the chunk's number in its index."""
        number = 0
        for place, size in zip(coords, self.across, strict=True):
            number = number * size + place % size
        return tuple(place // size for place, size in zip(coords, self.across, strict=True)), number

    def name(self, coords: Coords, encode: Encode) -> str:
        """Of a chunk, for messages."""
        shard, number = self.split(coords)
        return f"{encode(shard)}[{number}]"

    def inner(self, shard: Coords, number: int) -> Coords:
        """The chunk with a number in a shard."""
        places: list[int] = []
        for size in reversed(self.across):
            number, place = divmod(number, size)
            places.insert(0, place)
        return tuple(k * n + i for k, n, i in zip(shard, self.across, places, strict=True))

    def parse(self, data: Bytes, size: int, where: str) -> Index:
        """An index from its bytes, of a shard of so many bytes. Raises DataError.

        Where a chunk was never written, both numbers are ABSENT; no other entry begins with it.
        """
        if len(data) != self.index_bytes:
            found, wanted = f"{len(data):,} bytes", f"an index of {self.index_bytes:,}"
            raise DataError("corrupt shard", where=where, found=found, wanted=wanted)
        if self.checked:
            try:
                check_crc(data)
            except ValueError as error:
                raise DataError("corrupt shard", where=where, found=f"an index of {error}") from error
        index: Index = data[: prod(self.across) * ENTRY].view("<u8").reshape(-1, 2).astype(np.uint64)
        there = ~(index == ABSENT).all(axis=1)
        begins, lengths = index[there].T
        if (lengths > size - np.minimum(begins, np.uint64(size))).any():
            raise DataError(
                "corrupt shard",
                where=where,
                found="an index that leads behind its end",
                wanted=f"{size:,} bytes",
            )
        return index


class ShardChunks:
    """Chunks that lie in shards: an index, and many chunks in a file."""

    near = True

    def __init__(self, files: ChunkFiles, encode: Encode, layout: ShardLayout, location: str) -> None:
        self.files = files
        self.encode = encode
        self.layout = layout
        self.location = location
        self.lock = threading.Lock()
        self.kept: OrderedDict[str, tuple[tuple[int, ...], Index]] = OrderedDict()
        self.most = max(1, KEPT // max(1, layout.index_bytes))

    def name(self, coords: Coords) -> str:
        """See `Chunks`."""
        return self.layout.name(coords, self.encode)

    def open_all(self, wanted: Sequence[Wanted], go_on: Callable[[], None]) -> Sequence[Opening]:  # noqa: ARG002
        """See `OpenChunks`."""
        return one_by_one(self.open, wanted)

    def open(self, coords: Coords) -> Extent | None:
        """See `ChunkFiles`; may raise DataError, too."""
        shard, number = self.layout.split(coords)
        key = self.encode(shard)
        whole = self.files.open(key)
        if whole is None:
            return None
        try:
            begin, size = self.index(key, whole)[number]
        except BaseException:
            os.close(whole.fd)
            raise
        if begin == ABSENT:
            os.close(whole.fd)
            return None
        return whole._replace(offset=whole.offset + int(begin), size=int(size))

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """See `Chunks`."""
        return [self.has(each) for each in coords]

    def has(self, coords: Coords) -> bool:
        """Whether a chunk exists."""
        with opened(self.open(coords)) as extent:
            return extent is not None

    def index(self, key: str, shard: Extent) -> Index:
        """Of an open shard."""
        with self.lock:
            state, index = self.kept.get(key, ((), None))
            if index is not None and state == shard.state:
                self.kept.move_to_end(key)
                return index
        index = self.read(key, shard)
        with self.lock:
            self.kept[key] = shard.state, index
            self.kept.move_to_end(key)
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)
        return index

    def read(self, key: str, shard: Extent) -> Index:
        """The index as the file has it. Raises DataError."""
        where, size = f"{self.location}: shard {key}", self.layout.index_bytes
        if shard.size < size:
            wanted = f"an index of {size:,}"
            raise DataError("corrupt shard", where=where, found=f"{shard.size:,} bytes", wanted=wanted)
        data = np.empty(size, np.uint8)
        read_exactly(shard, 0 if self.layout.first else shard.size - size, data, where)
        return self.layout.parse(data, shard.size, where)


def layout_of(document: Mapping[str, Any]) -> ShardLayout | None:
    """How the shards of an array are made; None where it has none, or an index of a kind that is not known.

    Args:
        document: the metadata, which zarr-python has accepted.
    """
    codecs = document.get("codecs") or []
    if len(codecs) != 1 or codecs[0].get("name") != "sharding_indexed":
        return None
    own = codecs[0]["configuration"]
    index = own.get("index_codecs") or [{"name": "bytes"}, {"name": "crc32c"}]
    names = [codec["name"] for codec in index]
    endian = (index[0].get("configuration") or {}).get("endian", "little")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
        return None
    shard, chunk = document["chunk_grid"]["configuration"]["chunk_shape"], own["chunk_shape"]
    across = tuple(whole // part for whole, part in zip(shard, chunk, strict=True))
    first = own.get("index_location", "end") == "start"
    layout = ShardLayout(tuple(chunk), across, first, len(names) == 2, tuple(own.get("codecs") or []))
    return layout if layout.index_bytes <= LARGEST else None
