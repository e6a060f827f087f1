"""The blocks that our own stages pass to each other: values, no behaviour beyond selecting."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import CHUNK, ORIGIN, ChunkFormat
from flowload.abc.operators import Bytes
from flowload.abc.records import LayoutRecords, LayoutTable, Picks
from flowload.errors import GraphError

__all__ = [
    "CHUNK",
    "ORIGIN",
    "Batch",
    "Bundle",
    "Chunks",
    "Files",
    "Frames",
    "Item",
    "Items",
    "Rows",
    "SourceFile",
    "check_rows",
    "is_shared",
]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of chunks.

    `key` is 64 bits of the file *name*: the same on every machine wherever the folder is mounted.
    """

    path: str
    key: int = field(default=-1)
    stamp: bytes = field(default=b"", compare=False, repr=False)  #: packed `Identity`; empty: nobody knows

    def __post_init__(self) -> None:
        if self.key < 0:
            # Names on disk are bytes: those that are not UTF-8 have surrogates, which keep them apart.
            name = self.name.encode(errors="surrogateescape")
            digest = hashlib.blake2b(name, digest_size=8).digest()
            object.__setattr__(self, "key", int.from_bytes(digest, "little"))

    @property
    def name(self) -> str:
        """The file name: the source's sort key."""
        return self.path.rpartition(os.sep)[2]  # a Path would intern its parts, for good


@dataclass(frozen=True, slots=True)
class Files:
    """Block of paths to source files, given in pass `epoch`.

    Where there is an index of what is in a file, `indexes` has its path in the same place, else nothing.
    """

    paths: tuple[str, ...]
    epoch: int = 0
    indexes: tuple[str, ...] = ()  #: one a path, or none

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        return sum(map(len, self.paths))


@dataclass(frozen=True, slots=True)
class Chunks:
    """References to chunks: `table` has dtype `CHUNK`; its `source` column indexes `sources`."""

    format: ChunkFormat
    sources: tuple[SourceFile, ...]
    table: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        return int(self.table.nbytes)

    def select(self, which: NDArray[Any] | slice) -> Chunks:
        """The rows that an index array, a mask or a slice names."""
        return Chunks(self.format, self.sources, self.table[which])  # cheaper than `replace`


@dataclass(frozen=True, slots=True)
class Frames:
    """Records: `data` (n, stride) uint8, one a row, packed where the format packs; behind it are zeros.

    `origin` (n,) has dtype `ORIGIN`; its `source` column indexes `sources`. A writable `data` belongs
    to the reader alone, who may overwrite it in place; a shared one is read-only.
    """

    format: ChunkFormat
    sources: tuple[SourceFile, ...]
    data: Bytes
    origin: NDArray[np.void]

    def __len__(self) -> int:
        return len(self.data)

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        return int(self.data.nbytes + self.origin.nbytes)

    def select(self, which: NDArray[Any] | slice) -> Frames:
        """The rows that an index array, a mask or a slice names."""
        return Frames(self.format, self.sources, self.data[which], self.origin[which])

    def share(self) -> Frames:
        """The same records for several readers: read-only."""
        data = self.data.view()
        data.flags.writeable = False
        return replace(self, data=data)


@dataclass(frozen=True, slots=True)
class Rows:
    """References to rows of a table; `records`: what was opened to it, as `fl.rows` was given it.

    Tables of the same records are alike: a run that goes on from a state may have several.
    """

    table: LayoutTable = field(compare=False)
    picks: Picks
    records: LayoutRecords | None = None

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        return self.picks.nbytes

    @property
    def origin(self) -> object:
        """What rows must have in common to go together: compare it by identity."""
        return self.table if self.records is None else self.records

    def __getitem__(self, key: str) -> NDArray[np.int64]:
        """`block["index"]`: the row numbers, for functions of users. Raises KeyError for anything else."""
        if key != "index":
            raise KeyError(f"{key!r}: rows that are not read yet have their numbers alone, as 'index'")
        return self.picks.array()

    def select(self, which: NDArray[Any] | slice) -> Rows:
        """The rows that an index array, a mask or a slice names."""
        return Rows(self.table, self.picks.select(which), self.records)


@dataclass(frozen=True, slots=True)
class Batch:
    """Named arrays with one row a sample, and those that go with the whole; what a consumer gets is both.

    Examples:
        >>> batch = fl.Batch({"x": np.arange(4), "y": np.zeros((4, 2))})
        >>> len(batch), batch["y"].shape
        (4, (4, 2))
        >>> batch.select(np.array([0, 3]))["x"].tolist()
        [0, 3]
    """

    arrays: dict[str, Any]
    whole: dict[str, Any] = field(default_factory=dict)  #: such as pair indices: not one row a sample
    more: bool = False  #: of the same data as the batch before: whoever has that one has waited for them

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        total = 0
        for array in self.arrays.values():
            total += array.nbytes
        for array in self.whole.values():
            if isinstance(array, np.ndarray) and not is_shared(array):
                total += array.nbytes
        return int(total)

    def __getitem__(self, key: str) -> Any:
        """`batch["x"]`: one of its arrays. Raises KeyError that lists the known ones."""
        found = self.arrays.get(key)
        if found is None and (found := self.whole.get(key)) is None:
            raise KeyError(f"{key!r}: this batch has {', '.join(map(repr, [*self.arrays, *self.whole]))}")
        return found

    def select(self, which: NDArray[Any] | slice) -> Batch:
        """The rows that an index array, a mask or a slice names. Raises GraphError: see `check_rows`."""
        check_rows(self)
        return Batch({key: array[which] for key, array in self.arrays.items()})

    def deliver(self) -> dict[str, Any]:
        """What the reader gets: the arrays, by name."""
        return {**self.arrays, **self.whole}


@dataclass(frozen=True, slots=True)
class Bundle:
    """Several batches that were made together, and go on as one block: they part where the reader takes them.

    All but the first have `more` set: whoever has that one waits for none of the others.
    """

    bundled: tuple[Batch, ...]  #: or items that a collate= made
    nbytes: int  #: that all of them keep alive
    samples: int  #: of all

    def __len__(self) -> int:
        return self.samples

    @classmethod
    def of(cls, batches: Iterable[Batch | Item]) -> Bundle:
        """Batches that lie where they lie."""
        parts = cast("tuple[Batch, ...]", tuple(batches))
        return cls(parts, sum(part.nbytes for part in parts), sum(map(len, parts)))

    def batch_sizes(self) -> Sequence[int]:
        """See `Divisible`."""
        return tuple(map(len, self.bundled))

    def without(self, batches: int) -> Bundle:
        """See `Divisible`."""
        first, *others = self.bundled[batches:]
        return Bundle.of([replace(first, more=False) if getattr(first, "more", False) else first, *others])


def is_shared(array: object) -> bool:
    """Whether several batches have this array: then nobody can write to it. A tensor does not tell."""
    return isinstance(array, np.ndarray) and not array.flags.writeable


def check_rows(batch: Batch) -> None:
    """Raise GraphError unless every array has one row a sample."""
    if batch.whole:
        names = ", ".join(map(repr, batch.whole))
        raise GraphError(f"this batch cannot be cut or joined: {names} go with all of its samples together")


@dataclass(frozen=True, slots=True)
class Item:
    """Block of one value of the user's, of any kind; counts as one sample."""

    value: Any

    def __len__(self) -> int:
        return 1

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""
        return int(getattr(self.value, "nbytes", 0))

    def deliver(self) -> Any:
        """What the reader gets: the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Items(Item):
    """One value of the user's that holds several samples, such as what a `collate=` makes of them."""

    samples: int

    def __len__(self) -> int:
        return self.samples
