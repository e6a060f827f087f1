"""References to sources that outlive the blocks they came in: joined, compacted, counted, saved."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.needs import Need
from flowload.abc.operators import Setting, State
from flowload.blocks import CHUNK, ORIGIN, Chunks, SourceFile
from flowload.files.identity import Identity
from flowload.kernels.chunks.counting import count_each, renumber
from flowload.stages.registry import find_format, own_formats

__all__ = [
    "HELD",
    "FindFormat",
    "SourceTable",
    "as_columns",
    "chunks_from_state",
    "chunks_to_state",
    "compact",
    "concatenate",
    "format_finder",
    "sources_from_state",
    "sources_to_state",
]


STAMP = len(Identity(0, 0, 0, 0).pack())
FEW = 1024  #: sources that are kept as they came, beside the columns: chunks of one file share it
HELD = 150 + 130  #: bytes of a source in a `SourceTable` and of its path, as a rule; a test measures them

FindFormat: TypeAlias = Callable[[str], ChunkFormat]


def format_finder(setting: Setting) -> FindFormat:
    """`find_format`, which also knows the formats that upstream stages were given as objects."""
    known = {form.name: form for form in own_formats(setting.upstream)}
    return lambda name: known[name] if name in known else find_format(name)


def compact(chunks: Chunks) -> Chunks:
    """The same chunks with only the sources that they refer to."""
    rows, column = np.unique(chunks.table["source"], return_inverse=True)
    if len(rows) == len(chunks.sources):
        return chunks
    table = chunks.table.copy()
    table["source"] = column
    return replace(chunks, sources=tuple(chunks.sources[row] for row in rows.tolist()), table=table)


def concatenate(parts: Sequence[Chunks]) -> Chunks:
    """Several blocks of one format as one."""
    if len(parts) == 1:
        return parts[0]
    sources: tuple[SourceFile, ...] = ()
    tables = []
    for part in parts:
        table = part.table.copy()
        table["source"] += len(sources)
        tables.append(table)
        sources += part.sources
    return Chunks(parts[0].format, sources, np.concatenate(tables))


class SourceTable:
    """The sources that a fold's references point to; a source leaves with its last reference.

    Where every chunk is a file of its own, this is most of what a reference costs: so it holds columns, and
    makes `SourceFile`s anew for those who ask. Few are kept as well: a block of 500 records that a reservoir
    mixed has 50 files, and to make as many again took longer than to exchange its records.
    """

    def __init__(self) -> None:
        self.rows: dict[str | tuple[str, int], int] = {}  # by path, which is the file's own in all but tests
        self.sources: list[str | None] = []  # paths; None: a free row
        self.made: dict[int, SourceFile] = {}  # by row, where there are few
        self.keys = np.zeros(0, np.uint64)
        self.stamps = np.zeros((0, STAMP), np.uint8)
        self.stamped = np.zeros(0, np.bool_)
        self.counts = np.zeros(0, np.int64)  # references to each row
        self.free = array("i")

    def __len__(self) -> int:
        return len(self.rows)

    def adopt(self, sources: Sequence[SourceFile], column: NDArray[np.int32]) -> NDArray[np.int32]:
        """A column that indexed `sources` as one that indexes this table, its references counted.

        Raises IndexError for a reference to none of them, as a stage of a user's may make.
        """
        times, lookup = counted(column, len(sources)), np.zeros(len(sources), np.int32)
        for i in times.nonzero()[0].tolist():
            lookup[i] = row = self.row(sources[i])
            self.counts[row] += times[i]
        return renumbered(column, lookup)

    def row(self, source: SourceFile) -> int:
        """The row of a source, made if it has none."""
        found = self.rows.get(source.path)
        if found is None:
            return self.enter(source, source.path)
        if self.made.get(found) is source or int(self.keys[found]) == source.key:
            return found
        name = source.path, source.key
        other = self.rows.get(name)
        return self.enter(source, name) if other is None else other

    def enter(self, source: SourceFile, name: str | tuple[str, int]) -> int:
        """Add a source; returns its row."""
        if not self.free:
            self.grow()
        row = self.rows[name] = self.free.pop()
        self.sources[row], self.keys[row] = source.path, source.key
        self.stamped[row] = len(source.stamp) == STAMP
        if self.stamped[row]:
            self.stamps[row] = np.frombuffer(source.stamp, np.uint8)
        if len(self.rows) > FEW:
            self.made.clear()
        elif self.stamped[row] or not source.stamp:
            self.made[row] = source
        return row

    def source(self, row: int) -> SourceFile | None:
        """The source of a row; None: it is free."""
        if (known := self.made.get(row)) is not None:
            return known
        path = self.sources[row]
        if path is None:
            return None
        stamp = self.stamps[row].tobytes() if self.stamped[row] else b""
        return SourceFile(path, int(self.keys[row]), stamp)

    def grow(self) -> None:
        """Half as many rows again."""
        size = len(self.sources)
        more = max(8, size // 2)
        self.sources += [None] * more
        self.keys = np.concatenate([self.keys, np.zeros(more, np.uint64)])
        self.stamps = np.concatenate([self.stamps, np.zeros((more, STAMP), np.uint8)])
        self.stamped = np.concatenate([self.stamped, np.zeros(more, np.bool_)])
        self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])
        self.free.extend(range(size + more - 1, size - 1, -1))

    def release(
        self, column: NDArray[np.int32], *, keep: bool = False
    ) -> tuple[tuple[SourceFile, ...], NDArray[np.int32]]:
        """The sources that a column refers to, and the column indexing them; its references end here.

        Args:
            keep: the references stay counted, because a copy of them stays.
        """
        used, own, times = tally(column, len(self.counts))
        rows = used.tolist()
        sources = tuple(source for row in rows if (source := self.source(row)) is not None)
        if not keep:
            self.counts[used] -= times
            for row in used[self.counts[used] == 0].tolist():
                self.forget(row)
        return sources, own

    def state(self) -> State:
        """Its rows, free ones included: for columns as they are. Nothing is made that was not there."""
        return {"paths": list(self.sources), "keys": self.keys.copy()}

    def restore(self, state: State, column: NDArray[np.int32]) -> NDArray[np.int32]:
        """Adopt a column that indexed the table which gave this state."""
        return self.adopt(sources_from_state(state), column)

    def forget(self, row: int) -> None:
        """Remove a source; its row is used again."""
        path = self.sources[row]
        if path is not None:
            if self.rows.get(path) == row:
                del self.rows[path]
            else:
                del self.rows[path, int(self.keys[row])]
            self.sources[row] = None
            self.made.pop(row, None)
            self.free.append(row)


def tally(
    column: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """The values below `size` that a column has, the column as their numbers, and how often each comes."""
    if size > 4 * len(column):
        values, own, times = np.unique(column, return_inverse=True, return_counts=True)
        return values.astype(np.int64), own.astype(np.int32), times
    all_times, lookup = counted(column, size), np.empty(size, np.int32)
    used = all_times.nonzero()[0]
    lookup[used] = np.arange(len(used))
    return used, renumbered(column, lookup), all_times[used]


def counting() -> Iterator[Need]:
    """Kernels that a `SourceTable` calls."""
    column, numbers = np.empty(2, ORIGIN)["source"], np.empty(2, np.int32)
    yield count_each, (column, np.empty(2, np.int64))
    yield renumber, (column, numbers, numbers)


def counted(column: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """How often each number below `size` is in a column. Raises IndexError for any other."""
    times = np.zeros(size, np.int64)
    bad = count_each(column, times)
    if bad >= 0:
        raise IndexError(f"reference {bad} is to source {column[bad]} of {size}")
    return times


def renumbered(column: NDArray[np.int32], numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Of each k of a column, `numbers[k]`."""
    out = np.empty(len(column), np.int32)
    renumber(column, numbers, out)
    return out


def sources_to_state(sources: Sequence[SourceFile]) -> State:
    """Sources as columns."""
    keys = np.array([source.key for source in sources], np.uint64)
    return {"paths": [source.path for source in sources], "keys": keys}


def sources_from_state(state: State) -> tuple[SourceFile, ...]:
    """The sources that gave this state; a free row is some file that nothing refers to."""
    keys = np.asarray(state["keys"], np.uint64).tolist()
    return tuple(SourceFile(path or "", key) for path, key in zip(state["paths"], keys, strict=False))


def chunks_to_state(chunks: Chunks) -> State:
    """References to chunks as columns."""
    return {
        "format": chunks.format.name,
        "sources": sources_to_state(chunks.sources),
        "table": chunks.table,
    }


def chunks_from_state(state: State, find: FindFormat = find_format) -> Chunks:
    """The references that gave this state."""
    return Chunks(
        find(state["format"]), sources_from_state(state["sources"]), as_columns(state["table"], CHUNK)
    )


def as_columns(table: NDArray[np.void], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """A table of a state, which has the same columns, in the layout that it has in memory."""
    out = np.empty(len(table), dtype)
    for name in dtype.names or ():
        out[name] = table[name]
    return out
