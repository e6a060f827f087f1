"""A zarr store that says which chunks were asked for in vain, and refuses what is none. Imports zarr."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import WrapperStore

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.objects.traffic import TRAFFIC
from flowload.formats.zarr.chunks.files import ChunkFiles
from flowload.formats.zarr.chunks.places import ABSENT, Coords, Encode, Index, ShardLayout

from .stores import Place

__all__ = ["Asked", "CountedStore", "StoreChunks", "asking"]

UNKNOWN = 1 << 62  #: bytes of a file of which only a part was read

AnyStore = TypeVar("AnyStore", bound=Store)


@dataclass
class Asked:
    """What one read asked the store for: chunks that do not exist, and indices of shards."""

    missing: set[str] = field(default_factory=set)  #: keys of chunks, or of shards, that do not exist
    indices: dict[str, tuple[Bytes, int]] = field(
        default_factory=dict
    )  #: of shards, and their bytes at least


#: Of the read that runs now: zarr's event loop works in the context of whoever waits for it.
NOW: ContextVar[Asked | None] = ContextVar("NOW", default=None)


@contextmanager
def asking() -> Iterator[Asked]:
    """In `with asking() as asked:` the reads of this context are told."""
    asked = Asked()
    token = NOW.set(asked)
    try:
        yield asked
    finally:
        NOW.reset(token)


class CountedStore(WrapperStore[AnyStore]):
    """See the module.

    Args:
        store: whose chunks they are.
        prefix: of the keys of the array.
        location: of the array, for messages.
        files: its chunks, where they are files: they are looked at before they are read.
        most: bytes of a chunk, or of a shard.
        layout: of shards, whose indices are kept for whoever asks.
    """

    def __init__(
        self,
        store: AnyStore,
        prefix: str,
        location: str,
        files: ChunkFiles | None,
        most: int,
        layout: ShardLayout | None,
    ) -> None:
        super().__init__(store)
        self.prefix = prefix
        self.location = location
        self.files = files
        self.most = most
        self.layout = layout

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """See `Store.get`. Raises DataError for a file that is far too large, or none."""
        if self.files is not None:
            self.check(self.files, key.removeprefix(self.prefix), whole=byte_range is None)
            found = await super().get(key, prototype, byte_range)
        else:
            with TRAFFIC.request(), TRAFFIC.awaited():
                found = await super().get(key, prototype, byte_range)
            TRAFFIC.came(0 if found is None else len(found))
        asked = NOW.get()
        if asked is None:
            return found
        if found is None:
            asked.missing.add(key)
        elif self.layout is not None:
            index = index_of(found, byte_range, self.layout)
            if index is not None:
                asked.indices[key] = index
        return found

    def check(self, files: ChunkFiles, key: str, *, whole: bool) -> None:
        """Look at a chunk's file. A pipe in its place would be waited for, and a terabyte be read."""
        size = files.size(key)
        if whole and size is not None and size > self.most:
            found, wanted = f"{size:,} bytes", f"at most {self.most:,}"
            raise DataError(
                "corrupt chunk", where=f"{self.location}: chunk {key}", found=found, wanted=wanted
            )


def index_of(found: Buffer, asked: ByteRequest | None, layout: ShardLayout) -> tuple[Bytes, int] | None:
    """The index of a shard, where these bytes are it or have it; and the bytes of the shard."""
    size = layout.index_bytes
    if asked is None:
        part = found[:size] if layout.first else found[len(found) - min(size, len(found)) :]
        return np.array(part.as_numpy_array()).view(np.uint8), len(found)
    # Where the index is at the end, as many bytes from the beginning on are those of a chunk.
    if asked == (RangeByteRequest(0, size) if layout.first else SuffixByteRequest(size)):
        return np.array(found.as_numpy_array()).view(np.uint8), UNKNOWN
    return None


class StoreChunks:
    """Looks for chunks in a store, all at once; what was found is not asked for again.

    Args:
        place: of the array.
        encode: names a chunk's file, or a shard's.
        layout: of shards.
        location: for messages.
    """

    near = False

    def __init__(self, place: Place, encode: Encode, layout: ShardLayout | None, location: str) -> None:
        self.place = place
        self.encode = encode
        self.layout = layout
        self.location = location
        self.known: dict[Coords, Index | None] = {}  #: files that exist, and the indices of shards

    def name(self, coords: Coords) -> str:
        """See `Chunks`."""
        return self.encode(coords) if self.layout is None else self.layout.name(coords, self.encode)

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """See `Chunks`."""
        split = [(each, 0) if self.layout is None else self.layout.split(each) for each in coords]
        new = [shard for shard in dict.fromkeys(shard for shard, _ in split) if shard not in self.known]
        with foreign("unreadable chunk", self.location):
            sync(self.ask(new))
        return [shard in self.known and has_number(self.known[shard], number) for shard, number in split]

    async def ask(self, files: Sequence[Coords]) -> None:
        """Look whether files exist of which that is unknown."""
        many = asyncio.Semaphore(16)  # requests at a time

        async def one(coords: Coords) -> None:
            key = self.place.key(self.encode(coords))
            async with many:
                if self.layout is None:
                    if await self.place.store.exists(key):
                        self.known[coords] = None
                    return
                size = self.layout.index_bytes
                part = RangeByteRequest(0, size) if self.layout.first else SuffixByteRequest(size)
                found = await self.place.store.get(key, default_buffer_prototype(), part)
            if found is not None:
                where = f"{self.location}: shard {self.encode(coords)}"
                data = np.array(found.as_numpy_array()).view(np.uint8)
                self.known[coords] = self.layout.parse(data, UNKNOWN, where)

        await asyncio.gather(*map(one, files))


def has_number(index: Index | None, number: int) -> bool:
    """Whether a shard has a chunk; None: the file is the chunk."""
    return index is None or bool(index[number, 0] != ABSENT)
