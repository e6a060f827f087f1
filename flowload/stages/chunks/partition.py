"""How the ranks of a training share one stream of chunks without talking to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, State
from flowload.blocks import Chunks
from flowload.errors import DataError
from flowload.kernels.chunks.deal import deal
from flowload.kernels.chunks.schedule import phases
from flowload.stages.registry import find_format

from .source_table import FindFormat, chunks_from_state, chunks_to_state

__all__ = ["Partition", "PartitionByHash", "Weigh"]

Weigh: TypeAlias = Callable[[Chunks], NDArray[np.int64]]

SALT = 0x7368617264  #: so that a chunk's rank says nothing about its phase in `unpack`


class Partition:
    """A fold; every rank runs the same one on the same stream, and lets only its own chunks go on.

    A chunk goes to the rank with the smallest total so far. A rank's own chunks go on as far as the
    smallest total of all ranks; what is beyond waits, by reference, and is cut when the stream ends.

    Args:
        rank: this rank.
        world: number of ranks.
        weigh: samples that chunk uses will give; -1: not known, and such a chunk is bad data on every rank.
        find: the format of a name, for `restore`.
    """

    def __init__(self, rank: int, world: int, weigh: Weigh, *, find: FindFormat = find_format) -> None:
        self.rank = rank
        self.weigh = weigh
        self.find = find
        self.totals = np.zeros(world, np.int64)
        self.let = 0  # samples of chunks that went on
        self.waiting: list[tuple[Chunks, NDArray[np.int64]]] = []  # own chunks and their weights

    @property
    def held(self) -> int:
        """Own chunks that wait for the other ranks."""
        return sum(len(chunks) for chunks, _ in self.waiting)

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """Own chunks, as far as all ranks have as much."""
        if len(self.totals) == 1:
            yield block
            return
        block, weights = self.known(block, call)
        hands = np.empty(len(block), np.int64)
        deal(hands, weights, self.totals)
        own = self.take(hands, block, weights)
        call.drop(len(block) - own, "other rank")
        yield from self.release()

    def take(self, hands: NDArray[np.int64], block: Chunks, weights: NDArray[np.int64]) -> int:
        """Let this rank's chunks of a block wait; how many they are."""
        own = np.flatnonzero(hands == self.rank)
        if len(own):
            self.waiting.append((block.select(own), weights[own]))
        return len(own)

    def known(self, block: Chunks, call: Call) -> tuple[Chunks, NDArray[np.int64]]:
        """The chunks that have a weight, and it; the others are rejected."""
        weights = self.weigh(block)
        for row in np.flatnonzero(weights < 0).tolist():
            call.reject(unknown_length(block, row))
        known = weights >= 0
        return (block, weights) if known.all() else (block.select(known), weights[known])

    def release(self) -> Iterator[Chunks]:
        """Waiting chunks that end within the smallest total."""
        limit = int(self.totals.min())
        while self.waiting:
            chunks, weights = self.waiting.pop(0)
            ends = self.let + np.cumsum(weights)
            count = int(np.searchsorted(ends, limit, side="right"))
            if count:
                self.let = int(ends[count - 1])
            if count < len(chunks):
                self.waiting.insert(0, (chunks.select(slice(count, None)), weights[count:]))
            if count:
                yield chunks.select(slice(0, count))
            if count < len(chunks):
                return

    def flush(self, call: Call) -> Iterator[Chunks]:
        """The share that is still missing to the smallest total; the rest is dropped."""
        yield from self.rest(call)
        self.totals[:] = 0

    def rest(self, call: Call) -> Iterator[Chunks]:
        """The same, but for the totals, which are the next stream's to begin anew."""
        room = int(self.totals.min()) - self.let
        rest = self.held
        if self.waiting and room > 0:
            # The first one that waits reaches beyond the limit, or it would not wait.
            last = self.waiting[0][0].select(slice(0, 1))
            table = last.table.copy()
            table["cap"] = room
            self.let += room
            rest -= 1
            self.waiting = []
            yield replace(last, table=table)
        self.waiting, self.let = [], 0
        call.drop(rest, "cut to equal ranks")

    def state(self) -> State:
        """The totals of all ranks, and what waits."""
        waiting = [[chunks_to_state(chunks), weights.copy()] for chunks, weights in self.waiting]
        return {"totals": self.totals.copy(), "let": self.let, "waiting": waiting}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.totals, self.let = np.array(state["totals"], np.int64), state["let"]
        self.waiting = [
            (chunks_from_state(chunks, self.find), np.array(weights, np.int64))
            for chunks, weights in state["waiting"]
        ]


def unknown_length(chunks: Chunks, row: int) -> DataError:
    """What is wrong with a chunk that nobody can weigh without reading it."""
    chunk = chunks.table[row]
    where = f"{chunks.sources[chunk['source']].path}: chunk {chunk['index']}"
    wanted = "a number of records in the index, to give every rank as many"
    return DataError("unknown length", where=where, found="none", wanted=wanted)


class PartitionByHash:
    """A fold without memory: a hash of file name and chunk number says whose a chunk is.

    Whatever the order in which ranks see the files, each chunk is one rank's; shares are equal on average.
    """

    held = 0  #: nothing waits

    def __init__(self, rank: int, world: int, seed: int) -> None:
        self.rank = rank
        self.world = world
        self.seed = seed

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:
        """The chunks of a block that are this rank's."""
        keys = np.array([source.key for source in block.sources], np.uint64)
        hands = np.empty(len(block), np.int64)
        table = block.table
        indices = np.ascontiguousarray(table["index"])
        phases(hands, keys[table["source"]], indices, np.uint64(self.seed ^ SALT), self.world)
        own = np.flatnonzero(hands == self.rank)
        call.drop(len(block) - len(own), "other rank")
        if len(own):
            yield block.select(own)

    def flush(self, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing."""
        return iter(())

    def state(self) -> State:
        """Empty: this fold holds nothing between blocks."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to restore: this fold holds nothing between blocks."""
