"""References to sources that outlive the blocks they came in: joined, compacted, counted, saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import CHUNK, Chunks, SourceFile
from flowload.chunk_formats import ChunkFormat
from flowload.kernels.counting import count_each, renumber
from flowload.protocols import Setting, State

from .find_format import find_format, own_formats

__all__ = [
    "FindFormat",
    "SourceTable",
    "chunks_from_state",
    "chunks_to_state",
    "compact",
    "concatenate",
    "format_finder",
    "sources_from_state",
    "sources_to_state",
]


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
    """The sources that a fold's references point to; a source leaves with its last reference."""

    def __init__(self) -> None:
        self.rows: dict[SourceFile, int] = {}
        self.sources: list[SourceFile | None] = []  # None: a free row
        self.counts = np.zeros(0, np.int64)  # references to each row
        self.free: list[int] = []

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
        found = self.rows.get(source)
        if found is not None:
            return found
        if not self.free:
            self.grow()
        row = self.rows[source] = self.free.pop()
        self.sources[row] = source
        return row

    def grow(self) -> None:
        """Twice as many rows."""
        size = len(self.sources)
        more = max(8, size)
        self.sources += [None] * more
        self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])
        self.free += range(size + more - 1, size - 1, -1)

    def release(
        self, column: NDArray[np.int32], *, keep: bool = False
    ) -> tuple[tuple[SourceFile, ...], NDArray[np.int32]]:
        """The sources that a column refers to, and the column indexing them; its references end here.

        Args:
            keep: the references stay counted, because a copy of them stays.
        """
        used, own, times = tally(column, len(self.counts))
        rows = used.tolist()
        sources = tuple(source for row in rows if (source := self.sources[row]) is not None)
        if not keep:
            self.counts[used] -= times
            for row in used[self.counts[used] == 0].tolist():
                self.forget(row)
        return sources, own

    def forget(self, row: int) -> None:
        """Free a row."""
        source = self.sources[row]
        if source is not None:
            del self.rows[source]
            self.sources[row] = None
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


def sources_to_state(sources: Sequence[SourceFile]) -> list[list[Any]]:
    """Sources as JSON values."""
    return [[source.path, source.key] for source in sources]


def sources_from_state(state: Sequence[Sequence[Any]]) -> tuple[SourceFile, ...]:
    """The sources that gave this state."""
    return tuple(SourceFile(path, key) for path, key in state)


def chunks_to_state(chunks: Chunks) -> State:
    """References to chunks as JSON values."""
    return {
        "format": chunks.format.name,
        "sources": sources_to_state(chunks.sources),
        "table": [list(row) for row in chunks.table.tolist()],
    }


def chunks_from_state(state: State, find: FindFormat = find_format) -> Chunks:
    """The references that gave this state."""
    table = np.array([tuple(row) for row in state["table"]], dtype=CHUNK)
    return Chunks(find(state["format"]), sources_from_state(state["sources"]), table)
