"""How the ranks of a training share batches that a budget cuts: whole ones, in turn."""

from __future__ import annotations

from collections.abc import Iterator

from flowload.abc.operators import Call, State
from flowload.blocks import Rows
from flowload.stages.batches.budget import CutByBudget
from flowload.stages.rows.pending import PendingRows
from flowload.stages.rows.reopened_tables import ReopenedTables

__all__ = ["DealBatches"]


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
