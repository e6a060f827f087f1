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
from .source_table import (
    FindFormat,
    SourceTable,
    as_columns,
    chunks_from_state,
    chunks_to_state,
    counting,
)

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
        self.coming: list[Chunks] = []  # blocks that are taken in now
        self.rest = np.empty(0, CHUNK)  # chunks for which there was no room, and that go out now
        self.empties: str | None = None  # it is emptied now: at a "mark", or as the stream is over
        self.format: ChunkFormat | None = None
        self.sources = SourceTable()

    @property
    def held(self) -> int:
        """Chunks in the pool, and those that wait for it."""
        return self.inside + len(self.rest) + self.count + sum(map(len, self.coming))

    @property
    def count(self) -> int:
        """Chunks of a pass that are counted."""
        return sum(map(len, self.waiting))

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """As many chunks as there was no room for."""
        if not self.choices.open:
            self.coming.append(block)
            yield from self.take_in(call)
            return
        self.format = check_format(self.format, block)
        self.waiting.append(block)
        if self.count > max(KNOWN, self.size):
            yield from self.begin(None, call)

    def begin(self, chunks: int | None, call: Call) -> Iterator[Chunks]:
        """Choose at last: the pass has so many chunks, or more than are counted."""
        self.choices.counted(chunks, self.size)
        self.coming, self.waiting = self.waiting, []
        yield from self.take_in(call)

    def take_in(self, call: Call) -> Iterator[Chunks]:
        """Take in what comes; as many chunks as there was no room for."""
        yield from self.give_rest()
        while self.coming:  # one that was taken in is not kept
            block = self.coming.pop(0)
            if len(block):
                self.place(block, call)
            yield from self.give_rest()

    def place(self, block: Chunks, call: Call) -> None:
        """Put a block's chunks into free rows, or in the place of others, which go out."""
        self.format = check_format(self.format, block)
        table = block.table.copy()
        table["source"] = self.sources.adopt(block.sources, table["source"])
        fill = min(len(table), self.size - self.inside)
        self.fill(table[:fill], call)
        rest = table[fill:]
        exchange(as_bytes(self.table), as_bytes(rest), self.choices.exchange(self.size, len(rest), call))
        self.rest = rest

    def give_rest(self) -> Iterator[Chunks]:
        """What there was no room for."""
        while len(self.rest):
            part, self.rest = self.rest[:EMIT], self.rest[EMIT:]
            yield self.give(part)

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
        yield from self.take_in(call)
        if self.waiting:
            yield from self.begin(self.count, call)
        while self.inside:
            yield self.take()
        if self.empties == "mark":
            self.choices.passed()
        self.empties = None

    def mark(self, mark: Mark, call: Call) -> Iterator[Chunks]:
        """The end of an epoch empties the pool."""
        self.caught_up |= mark is Mark.CAUGHT_UP
        if mark is Mark.EPOCH:
            self.empties = "mark"
            yield from self.drain(call)

    def flush(self, call: Call) -> Iterator[Chunks]:
        """All chunks that are left, in random order."""
        self.empties = "flush"
        return self.drain(call)

    def resume(self, call: Call) -> Iterator[Chunks]:
        """The rest of what a call gave in the midst of which the state was saved."""
        return self.take_in(call) if self.empties is None else self.drain(call)

    def idle(self, call: Call) -> Chunks | None:  # noqa: ARG002 - the shape of a Fold
        """Random members, where waiting for a full pool might take for ever."""
        return self.take() if self.growing and self.caught_up and self.inside else None

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {"pool_chunks": self.held, "pool_fill": self.held / self.size}

    def state(self) -> State:
        """The references in the pool, as columns."""
        return {
            "caught_up": self.caught_up,
            "choices": self.choices.state(),
            "format": None if self.format is None else self.format.name,
            "sources": self.sources.state(),
            "inside": self.table[: self.inside].copy(),
            "rest": self.rest.copy(),
            "empties": self.empties,
            "coming": [chunks_to_state(block) for block in self.coming],
            "waiting": [chunks_to_state(block) for block in self.waiting],
        }

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.caught_up, self.empties = state["caught_up"], state["empties"]
        self.choices.restore(state["choices"])
        self.coming = [chunks_from_state(block, self.find) for block in state["coming"]]
        self.waiting = [chunks_from_state(block, self.find) for block in state["waiting"]]
        self.format = None if state["format"] is None else self.find(state["format"])
        self.sources, self.inside = SourceTable(), len(state["inside"])
        rows = as_columns(np.concatenate([state["inside"], state["rest"]]), CHUNK)
        rows["source"] = self.sources.restore(state["sources"], rows["source"])
        self.table, self.rest = rows[: self.inside].copy(), rows[self.inside :]
        if not len(self.table):
            self.table = np.empty(min(self.size, FIRST), CHUNK)


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
