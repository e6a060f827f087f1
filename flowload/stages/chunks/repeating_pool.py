"""A window over a growing source whose members come again and again, pass after pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.needs import Need
from flowload.abc.operators import Call, Mark, State
from flowload.blocks import CHUNK, Chunks
from flowload.kernels.chunks.window import draw, join
from flowload.kernels.philox import integers, stream
from flowload.stages.registry import find_format

from .pool import EMIT, FIRST, check_format
from .pool_choices import drawing
from .source_table import FindFormat, SourceTable, as_columns, counting

__all__ = ["RepeatingPool", "passing"]


def passing() -> Iterator[Need]:
    """Kernels that `RepeatingPool` calls."""
    numbers = np.empty(2, np.int64)
    yield drawing()
    yield draw, (numbers, numbers, numbers, 0, numbers)
    yield join, (numbers, numbers, 0, 0, 0)
    yield from counting()


class RepeatingPool:
    """A fold over a stream that never ends: holds the newest `size` chunks, gives them when asked.

    Until the source has told what it knows, chunks are only collected. From then on the window is given
    in passes, each a uniformly random order of its members. A new chunk joins the pass that is under way;
    the oldest leaves for it, wherever it stood. A chunk's `use` grows with every use.

    Args:
        size: chunks of the window.
        find: the format of a name, for `restore`.
        first_epoch: number of the run's first pass: another draws other numbers.
    """

    def __init__(self, size: int, *, find: FindFormat = find_format, first_epoch: int = 0) -> None:
        self.size = size
        self.first_epoch = first_epoch
        self.find = find
        self.clear()

    def clear(self) -> None:
        """Drop all chunks and begin anew."""
        self.caught_up = False
        self.table = np.empty(0, CHUNK)  # a ring in order of arrival
        self.times = np.empty(0, np.int64)  # uses of each member
        self.pending = np.empty(0, np.int64)  # see kernels.window
        self.places = np.empty(0, np.int64)
        self.left = 0  # members that wait in this pass
        self.arrived = 0  # chunks since the beginning
        self.drawn = 0  # random numbers used
        self.held = 0  #: members that were not used yet
        self.format: ChunkFormat | None = None
        self.sources = SourceTable()

    @property
    def members(self) -> int:
        """Chunks in the window."""
        return min(self.arrived, self.size)

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """Nothing goes out, but chunks may leave the window."""
        if len(block):
            self.format = check_format(self.format, block)
        for first in range(0, len(block), self.size):
            part = block.select(slice(first, first + self.size))
            table = part.table.copy()
            table["source"] = self.sources.adopt(part.sources, table["source"])
            self.grow(min(self.arrived + len(table), self.size))
            turn = min(len(table), self.size - self.arrived % self.size)
            self.join(table[:turn], call)
            self.join(table[turn:], call)
        return iter(())

    def grow(self, count: int) -> None:
        """Have room for so many members."""
        size = len(self.table)
        if count <= size:
            return
        more = min(max(count, 2 * size, FIRST), self.size) - size
        self.table = np.concatenate([self.table, np.empty(more, CHUNK)])
        self.times = np.concatenate([self.times, np.zeros(more, np.int64)])
        self.pending = np.concatenate([self.pending, np.empty(more, np.int64)])
        self.places = np.concatenate([self.places, np.full(more, -1, np.int64)])

    def join(self, rows: NDArray[np.void], call: Call) -> None:
        """Put chunks into the ring, where their slots do not wrap around."""
        first = self.arrived % self.size
        slots = slice(first, first + len(rows))
        if self.arrived >= self.size and len(rows):
            unused = int((self.times[slots] == 0).sum())
            call.drop(unused, "left the window")
            self.held -= unused
            self.sources.release(self.table["source"][slots])
        self.table[slots] = rows
        self.times[slots] = 0
        self.left = join(self.pending, self.places, self.left, first, len(rows))
        self.arrived += len(rows)
        self.held += len(rows)

    def mark(self, mark: Mark, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """From the first `CAUGHT_UP` on, the window is given."""
        self.caught_up |= mark is Mark.CAUGHT_UP
        return iter(())

    def idle(self, call: Call) -> Chunks | None:
        """The next members of the pass, or of a new one."""
        if not self.caught_up or not self.members:
            return None
        if not self.left:
            # `join` of everybody, none of whom is pending: a new pass.
            self.left = join(self.pending, self.places, 0, 0, self.members)
        slots = self.draw(min(self.left, EMIT), call)
        call.opened(int((self.times[slots] > 0).sum()))
        return self.give(slots)

    def draw(self, count: int, call: Call) -> NDArray[np.int64]:
        """Random members of those that wait, which wait no longer."""
        which, slots = np.empty(count, np.int64), np.empty(count, np.int64)
        integers(which, self.left, -1, stream(call.key(), self.first_epoch), self.drawn)
        draw(slots, self.pending, self.places, self.left, which)
        self.drawn += count
        self.left -= count
        return slots

    def give(self, slots: NDArray[np.int64]) -> Chunks:
        """A block of members; they stay."""
        if self.format is None:
            raise AssertionError("there are members, so a block has come")
        table = self.table[slots]
        table["use"] += self.times[slots].astype(np.int32)
        self.held -= int((self.times[slots] == 0).sum())
        self.times[slots] += 1
        sources, table["source"] = self.sources.release(table["source"], keep=True)
        return Chunks(self.format, sources, table)

    def flush(self, call: Call) -> Iterator[Chunks]:
        """The source has ended after all: what was never used goes out once."""
        while self.left:
            slots = self.draw(min(self.left, EMIT), call)
            unused = slots[self.times[slots] == 0]
            if len(unused):
                yield self.give(unused)

    def state(self) -> State:
        """The window, oldest slot first, and where its pass stands."""
        return {
            "caught_up": self.caught_up,
            "arrived": self.arrived,
            "drawn": self.drawn,
            "times": self.times[: self.members].copy(),
            "pending": self.pending[: self.left].copy(),
            "format": None if self.format is None else self.format.name,
            "sources": self.sources.state(),
            "chunks": self.table[: self.members].copy(),
        }

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.clear()
        self.caught_up, self.arrived, self.drawn = state["caught_up"], state["arrived"], state["drawn"]
        if state["format"] is None:
            return
        self.format = self.find(state["format"])
        chunks = as_columns(state["chunks"], CHUNK)
        chunks["source"] = self.sources.restore(state["sources"], chunks["source"])
        self.grow(len(chunks))
        self.table[: len(chunks)] = chunks
        self.times[: len(chunks)] = state["times"]
        self.left = len(state["pending"])
        self.pending[: self.left] = state["pending"]
        self.places[self.pending[: self.left]] = np.arange(self.left)
        self.held = int((self.times[: len(chunks)] == 0).sum())
