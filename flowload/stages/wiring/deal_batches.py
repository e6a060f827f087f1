"""How the ranks of a training share batches that a budget cuts: whole ones, in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flowload.abc.operators import Call, State
from flowload.blocks import Rows
from flowload.stages.batches.budget import CutByBudget
from flowload.stages.rows.pending import PendingRows
from flowload.stages.rows.reopened_tables import ReopenedTables

from .deal_lanes import Dealer

__all__ = ["BatchDealer", "DealBatches"]


class DealBatches:
    """A fold; every rank runs the same one on the same stream: batch b is for rank b modulo world.

    So ranks give as many batches, though these hold different numbers of rows.

    Args:
        cut: makes the batches of all ranks.
        rank: this rank.
        world: number of ranks.
        even: batches beyond the last full turn, fewer than `world`, are cut, so that all ranks give as many.
        tables: those that a restored state may name.
    """

    def __init__(
        self, cut: CutByBudget, rank: int, world: int, *, even: bool, tables: ReopenedTables
    ) -> None:
        self.inner = cut
        self.rank = rank
        self.world = world
        self.even = even
        self.dealt = 0  # batches
        self.waiting = PendingRows("shard", tables)  # this rank's batch of a turn that is not full yet

    @property
    def held(self) -> int:
        """Rows of batches that are not complete, or wait for the other ranks."""
        return self.inner.held + len(self.waiting)

    def push(self, block: Rows, call: Call) -> Iterator[Rows]:
        """This rank's batches of the turns that are full."""
        return self.deal(self.inner.push(block, call), call)

    def deal(self, batches: Iterator[Rows], call: Call) -> Iterator[Rows]:
        """Give this rank's batches on when their turn is full."""
        for batch in batches:
            turn, self.dealt = self.dealt % self.world, self.dealt + 1
            if turn != self.rank:
                call.drop(len(batch), "other rank")
            elif self.even:
                self.waiting.add(batch)
            else:
                yield batch
            if len(self.waiting) and self.dealt % self.world == 0:
                yield self.waiting.take()

    def flush(self, call: Call) -> Iterator[Rows]:
        """The last batches of all ranks; the turn that does not become full is cut."""
        yield from self.deal(self.inner.flush(call), call)
        if len(self.waiting):
            call.drop(len(self.waiting), "cut to equal ranks")
            self.waiting.clear()
        self.dealt = 0

    def state(self) -> State:
        """Batches that were dealt, and what waits."""
        return {"dealt": self.dealt, "waiting": self.waiting.state(), "cut": self.inner.state()}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.dealt = state["dealt"]
        self.waiting.restore(state["waiting"])
        self.inner.restore(state["cut"])

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.waiting.tables.close()


class BatchDealer(Dealer):
    """The same for lanes: batch b is for lane b modulo their number.

    Args:
        cut: makes the batches of all lanes.
        lanes: of all ranks.
        here: those of this process.
        tables: those that a restored state may name.
    """

    def __init__(self, cut: CutByBudget, lanes: int, here: Iterable[int], tables: ReopenedTables) -> None:
        self.inner = cut
        self.lanes = lanes
        self.tables = tables
        self.dealt = 0  # batches
        self.waiting = {lane: PendingRows("shard", tables) for lane in here}  # of a turn that is not full yet

    @property
    def held(self) -> int:
        """Rows of batches that are not complete, or wait for other lanes."""
        return self.inner.held + sum(map(len, self.waiting.values()))

    def deal(self, block: Rows, call: Call) -> Mapping[int, Sequence[Rows]]:  # type: ignore[override]
        """See `Dealer`."""
        return self.turns(self.inner.push(block, call), call)

    def turns(self, batches: Iterator[Rows], call: Call) -> Mapping[int, Sequence[Rows]]:
        """The batches of the turns that are full."""
        made: dict[int, list[Rows]] = {lane: [] for lane in self.waiting}
        for batch in batches:
            turn, self.dealt = self.dealt % self.lanes, self.dealt + 1
            if turn in self.waiting:
                self.waiting[turn].add(batch)
            else:
                call.drop(len(batch), "other rank")
            if self.dealt % self.lanes == 0:
                for lane, waiting in self.waiting.items():
                    made[lane].append(waiting.take())
        return made

    def rest(self, call: Call) -> Mapping[int, Sequence[Rows]]:
        """See `Dealer`."""
        made = self.turns(self.inner.flush(call), call)
        call.drop(sum(map(len, self.waiting.values())), "cut to equal ranks")
        for waiting in self.waiting.values():
            waiting.clear()
        self.dealt = 0
        return made

    def state(self) -> State:
        """See `Dealer`."""
        waiting = {str(lane): rows.state() for lane, rows in self.waiting.items()}
        return {"dealt": self.dealt, "waiting": waiting, "cut": self.inner.state()}

    def restore(self, state: State) -> None:
        """See `Dealer`."""
        self.dealt = state["dealt"]
        self.inner.restore(state["cut"])
        for lane, rows in self.waiting.items():
            rows.restore(state["waiting"][str(lane)])

    def close(self) -> None:
        """See `Dealer`."""
        self.tables.close()
