"""A pool through which every chunk goes once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.needs import Need
from flowload.abc.operators import Bytes, Call, Mark, State
from flowload.blocks import CHUNK, Chunks
from flowload.errors import DataError
from flowload.kernels.chunks.exchange import exchange
from flowload.stages.registry import find_format

from .pool_choices import KNOWN, PoolChoices, drawing
from .source_table import FindFormat, SourceTable, chunks_from_state, chunks_to_state, counting

__all__ = ["ChunkPool", "check_format", "pooling"]

EMIT = 256  #: references of a block
FIRST = 1024  #: rows at first


class ChunkPool:
    """A fold that holds up to `size` references, in an order that is uniformly random at any time.

    While there is room, chunk t takes the place of a random one of those before it or its own, and the
    one that was there goes to the end of the table (the shuffle of Fisher and Yates, from inside out).
    Once the pool is full, a chunk that comes in takes the place of a random one, which goes out. The
    rest goes out from the end of the table when an epoch ends: data that fit come in a uniformly random
    order. Choices depend on how many chunks came before, not on the blocks in which they came.

    Args:
        size: chunks that are held at most.
        growing: once the source has caught up, give random members while nothing comes in.
        find: the format of a name, for `restore`.
        choices: the random ones; they may want to count the chunks of a pass before the first.
    """

    def __init__(
        self, size: int, *, growing: bool, find: FindFormat = find_format, choices: PoolChoices | None = None
    ) -> None:
        self.size = size
        self.growing = growing
        self.find = find
        self.caught_up = False
        self.choices = PoolChoices(growing=growing) if choices is None else choices
        self.table = np.empty(min(size, FIRST), CHUNK)
        self.inside = 0  # chunks in the table: rows 0 .. inside - 1
        self.waiting: list[Chunks] = []  # blocks of a pass whose chunks are counted
        self.count = 0  # chunks in them
        self.format: ChunkFormat | None = None
        self.sources = SourceTable()

    @property
    def held(self) -> int:
        """Chunks in the pool, and those that wait for it."""
        return self.inside + self.count

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """As many chunks as there was no room for."""
        if not self.choices.open:
            yield from self.take_in(block, call)
            return
        self.format = check_format(self.format, block)
        self.waiting.append(block)
        self.count += len(block)
        if self.count > max(KNOWN, self.size):
            yield from self.begin(None, call)

    def begin(self, chunks: int | None, call: Call) -> Iterator[Chunks]:
        """Choose at last: the pass has so many chunks, or more than are counted."""
        self.choices.counted(chunks, self.size)
        waiting, self.waiting = self.waiting, []
        waiting.reverse()
        while waiting:  # one that was taken in is not kept
            block = waiting.pop()
            self.count -= len(block)
            yield from self.take_in(block, call)

    def take_in(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """Take a block in; as many chunks as there was no room for."""
        if not len(block):
            return
        self.format = check_format(self.format, block)
        table = block.table.copy()
        table["source"] = self.sources.adopt(block.sources, table["source"])
        fill = min(len(table), self.size - self.inside)
        self.fill(table[:fill], call)
        rest = table[fill:]
        exchange(as_bytes(self.table), as_bytes(rest), self.choices.exchange(self.size, len(rest), call))
        for first in range(0, len(rest), EMIT):
            yield self.give(rest[first : first + EMIT])

    def fill(self, rows: NDArray[np.void], call: Call) -> None:
        """Put chunks into free rows, each to a random place among those before it."""
        begin, end = self.inside, self.inside + len(rows)
        if end > len(self.table):
            table = np.empty(min(max(end, 2 * len(self.table)), self.size), CHUNK)
            table[:begin] = self.table[:begin]
            self.table = table
        self.table[begin:end] = rows
        data = as_bytes(self.table)
        exchange(data, data[begin:end], self.choices.fill(begin, len(rows), call))
        self.inside = end

    def give(self, rows: NDArray[np.void]) -> Chunks:
        """A block of chunks that leave the pool."""
        if self.format is None:
            raise AssertionError("chunks are held, so a block has come")
        table = rows.copy()
        sources, table["source"] = self.sources.release(table["source"])
        return Chunks(self.format, sources, table)

    def take(self) -> Chunks:
        """A block of the last rows."""
        begin = max(0, self.inside - EMIT)
        block = self.give(self.table[begin : self.inside][::-1])
        self.inside = begin
        return block

    def drain(self, call: Call) -> Iterator[Chunks]:
        """Empty the pool: all its chunks in random order."""
        if self.waiting:
            yield from self.begin(self.count, call)
        while self.inside:
            yield self.take()

    def mark(self, mark: Mark, call: Call) -> Iterator[Chunks]:
        """The end of an epoch empties the pool."""
        self.caught_up |= mark is Mark.CAUGHT_UP
        if mark is Mark.EPOCH:
            yield from self.drain(call)
            self.choices.passed()

    def flush(self, call: Call) -> Iterator[Chunks]:
        """All chunks that are left, in random order."""
        return self.drain(call)

    def idle(self, call: Call) -> Chunks | None:  # noqa: ARG002 - the shape of a Fold
        """Random members, where waiting for a full pool might take for ever."""
        return self.take() if self.growing and self.caught_up and self.inside else None

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {"pool_chunks": self.held, "pool_fill": self.held / self.size}

    def state(self) -> State:
        """The references in the pool, as JSON values."""
        return {
            "caught_up": self.caught_up,
            "choices": self.choices.state(),
            "chunks": None if self.format is None else chunks_to_state(self.chunks(self.format)),
            "waiting": [chunks_to_state(block) for block in self.waiting],
        }

    def chunks(self, format: ChunkFormat) -> Chunks:  # noqa: A002 - the house's word for it
        """What is held, in the order of the table."""
        table = self.table[: self.inside].copy()
        sources, table["source"] = self.sources.release(table["source"], keep=True)
        return Chunks(format, sources, table)

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.caught_up = state["caught_up"]
        self.choices.restore(state["choices"])
        self.waiting = [chunks_from_state(block, self.find) for block in state["waiting"]]
        self.count = sum(map(len, self.waiting))
        self.sources, self.format, self.inside = SourceTable(), None, 0
        if state["chunks"] is not None:
            chunks = chunks_from_state(state["chunks"], self.find)
            self.format, self.inside, self.table = chunks.format, len(chunks), chunks.table
            self.table["source"] = self.sources.adopt(chunks.sources, self.table["source"])


def pooling() -> Iterator[Need]:
    """Kernels that a `ChunkPool` calls."""
    table = as_bytes(np.empty(2, CHUNK))
    yield drawing()
    yield exchange, (table, table, np.empty(2, np.int64))
    yield from counting()


def as_bytes(table: NDArray[np.void]) -> Bytes:
    """References as rows of bytes."""
    return table.view(np.uint8).reshape(len(table), CHUNK.itemsize)


def check_format(known: ChunkFormat | None, block: Chunks) -> ChunkFormat:
    """The one format of a stream of references. Raises DataError for another."""
    if known is not None and known.name != block.format.name:
        where = block.sources[0].path if block.sources else "?"
        raise DataError("another format in one pool", where=where, found=block.format.name, wanted=known.name)
    return block.format
