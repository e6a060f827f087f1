"""How chunks and rows are dealt to lanes: by the rules of ranks, once for all lanes that are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from flowload.abc.operators import Call, State
from flowload.blocks import Chunks, Rows
from flowload.kernels.chunks.deal import deal
from flowload.stages.chunks.partition import Partition, Weigh
from flowload.stages.chunks.source_table import (
    FindFormat,
    chunks_from_state,
    chunks_to_state,
    concatenate,
)
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.round_robin import RoundRobin

from .deal_lanes import Dealer

__all__ = ["ChunkDealer", "RowDealer"]

OTHERS = "other rank"  #: why a reference goes no further here
TOGETHER = 64  #: chunks for each lane that are dealt at once


class ChunkDealer(Dealer):
    """Each chunk goes to the lane that has the fewest samples so far; see `Partition`.

    Small blocks are dealt together: the parts of one would be smaller by the number of lanes, and what a
    block costs on its way is the same for one chunk as for a hundred.

    Args:
        lanes: of all ranks.
        here: those of this process.
        weigh: samples that chunk uses will give.
        find: the format of a name, for `restore`.
    """

    def __init__(self, lanes: int, here: Iterable[int], weigh: Weigh, *, find: FindFormat) -> None:
        self.lanes = lanes
        self.find = find
        self.parts = {lane: Partition(lane, lanes, weigh, find=find) for lane in here}
        self.first = next(iter(self.parts.values()))
        self.totals = self.first.totals
        for part in self.parts.values():
            part.totals = self.totals  # one for all
        self.early: list[Chunks] = []  # blocks that are dealt together with those to come
        self.count = 0  # chunks in them

    @property
    def held(self) -> int:
        """Chunks that wait for more of them, or for other lanes."""
        return self.count + sum(part.held for part in self.parts.values())

    def deal(self, block: Chunks, call: Call) -> Mapping[int, Sequence[Chunks]]:  # type: ignore[override]
        """See `Dealer`."""
        if self.lanes == 1:
            return {lane: [block] for lane in self.parts}
        made = {} if not self.early or self.early[0].format is block.format else self.all(call)
        self.early.append(block)
        self.count += len(block)
        if self.count < TOGETHER * self.lanes:
            return made
        return added(made, self.all(call))

    def all(self, call: Call) -> dict[int, list[Chunks]]:
        """See `Dealer`."""
        if not self.early:
            return {}
        early, self.early, self.count = concatenate(self.early), [], 0
        block, weights = self.first.known(early, call)
        hands = np.empty(len(block), np.int64)
        deal(hands, weights, self.totals)
        own = sum(part.take(hands, block, weights) for part in self.parts.values())
        call.drop(len(block) - own, OTHERS)
        return {lane: list(part.release()) for lane, part in self.parts.items()}

    def rest(self, call: Call) -> Mapping[int, Sequence[Chunks]]:
        """See `Dealer`."""
        made = added(self.all(call), {lane: list(part.rest(call)) for lane, part in self.parts.items()})
        self.totals[:] = 0
        return made

    def state(self) -> State:
        """See `Dealer`."""
        lanes = {str(lane): part.state() for lane, part in self.parts.items()}
        return {"early": [chunks_to_state(block) for block in self.early], "lanes": lanes}

    def restore(self, state: State) -> None:
        """See `Dealer`."""
        self.early = [chunks_from_state(block, self.find) for block in state["early"]]
        self.count = sum(map(len, self.early))
        for lane, part in self.parts.items():
            part.restore(state["lanes"][str(lane)])
            self.totals[:] = part.totals
            part.totals = self.totals


def added(first: dict[int, list[Chunks]], more: Mapping[int, list[Chunks]]) -> dict[int, list[Chunks]]:
    """What goes on to each lane, and then more of it."""
    for lane, blocks in more.items():
        first.setdefault(lane, []).extend(blocks)
    return first


class RowDealer(Dealer):
    """Rows go to the lanes in turn; see `RoundRobin`.

    Args:
        lanes: of all ranks.
        here: those of this process.
        tables: those that a restored state may name.
    """

    def __init__(self, lanes: int, here: Iterable[int], tables: ReopenedTables) -> None:
        self.lanes = lanes
        self.tables = tables
        self.parts = {lane: RoundRobin(lane, lanes, even=True, tables=tables) for lane in here}

    @property
    def held(self) -> int:
        """Rows that wait for other lanes."""
        return sum(part.held for part in self.parts.values())

    def deal(self, block: Rows, call: Call) -> Mapping[int, Sequence[Rows]]:  # type: ignore[override]
        """See `Dealer`."""
        if self.lanes == 1:
            return {lane: [block] for lane in self.parts}
        own = sum(part.take(block) for part in self.parts.values())
        call.drop(len(block) - own, OTHERS)
        return {lane: list(part.release()) for lane, part in self.parts.items()}

    def rest(self, call: Call) -> Mapping[int, Sequence[Rows]]:
        """See `Dealer`."""
        return {lane: list(part.flush(call)) for lane, part in self.parts.items()}

    def state(self) -> State:
        """See `Dealer`."""
        return {str(lane): part.state() for lane, part in self.parts.items()}

    def restore(self, state: State) -> None:
        """See `Dealer`."""
        for lane, part in self.parts.items():
            part.restore(state[str(lane)])

    def close(self) -> None:
        """See `Dealer`."""
        self.tables.close()
