"""How chunks and rows are dealt to lanes: by the rules of ranks, once for all lanes that are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from flowload.abc.operators import Call, State
from flowload.blocks import Chunks, Rows
from flowload.kernels.chunks.deal import deal
from flowload.stages.chunks.partition import Partition, Weigh
from flowload.stages.chunks.source_table import FindFormat
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.round_robin import RoundRobin

from .deal_lanes import Dealer

__all__ = ["ChunkDealer", "RowDealer"]

OTHERS = "other rank"  #: why a reference goes no further here


class ChunkDealer(Dealer):
    """Each chunk goes to the lane that has the fewest samples so far; see `Partition`.

    Args:
        lanes: of all ranks.
        here: those of this process.
        weigh: samples that chunk uses will give.
        find: the format of a name, for `restore`.
    """

    def __init__(self, lanes: int, here: Iterable[int], weigh: Weigh, *, find: FindFormat) -> None:
        self.parts = {lane: Partition(lane, lanes, weigh, find=find) for lane in here}
        self.first = next(iter(self.parts.values()))
        self.totals = self.first.totals
        for part in self.parts.values():
            part.totals = self.totals  # one for all

    @property
    def held(self) -> int:
        """Chunks that wait for other lanes."""
        return sum(part.held for part in self.parts.values())

    def deal(self, block: Chunks, call: Call) -> Mapping[int, Sequence[Chunks]]:  # type: ignore[override]
        """See `Dealer`."""
        if len(self.totals) == 1:
            return {lane: [block] for lane in self.parts}
        block, weights = self.first.known(block, call)
        hands = np.empty(len(block), np.int64)
        deal(hands, weights, self.totals)
        own = sum(part.take(hands, block, weights) for part in self.parts.values())
        call.drop(len(block) - own, OTHERS)
        return {lane: list(part.release()) for lane, part in self.parts.items()}

    def rest(self, call: Call) -> Mapping[int, Sequence[Chunks]]:
        """See `Dealer`."""
        made = {lane: list(part.rest(call)) for lane, part in self.parts.items()}
        self.totals[:] = 0
        return made

    def state(self) -> State:
        """See `Dealer`."""
        return {str(lane): part.state() for lane, part in self.parts.items()}

    def restore(self, state: State) -> None:
        """See `Dealer`."""
        for lane, part in self.parts.items():
            part.restore(state[str(lane)])
            self.totals[:] = part.totals
            part.totals = self.totals


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
