"""How the ranks of a training share one stream of rows: in turn, by their place in the stream."""

from __future__ import annotations

from collections.abc import Iterator

from flowload.abc.operators import Call, State
from flowload.blocks import Rows

from .pending import PendingRows
from .reopened_tables import ReopenedTables

__all__ = ["RoundRobin"]


class RoundRobin:
    """A fold; every rank runs the same one on the same stream: place p is for rank p modulo world.

    Args:
        rank: this rank.
        world: number of ranks.
        even: rows beyond the last full turn, fewer than `world`, are cut, so that all ranks give as many.
        tables: those that a restored state may name.
    """

    def __init__(self, rank: int, world: int, *, even: bool, tables: ReopenedTables) -> None:
        self.rank = rank
        self.world = world
        self.even = even
        self.seen = 0  # rows of the stream
        self.waiting = PendingRows("shard", tables)  # this rank's row of a turn that is not full yet

    @property
    def held(self) -> int:
        """Rows that wait for the other ranks: at most one."""
        return len(self.waiting)

    def push(self, block: Rows, call: Call) -> Iterator[Rows]:
        """This rank's rows of the turns that are full."""
        if self.world == 1:
            yield block
            return
        call.drop(len(block) - self.take(block), "other rank")
        yield from self.release()

    def take(self, block: Rows) -> int:
        """Let this rank's rows of a block wait; how many they are."""
        first = (self.rank - self.seen) % self.world
        own = block.select(slice(first, None, self.world))
        self.seen += len(block)
        if len(own):
            self.waiting.add(own)
        return len(own)

    def release(self) -> Iterator[Rows]:
        """What waits, but for the row of a turn that is not full."""
        open_ones = int(self.even and self.seen % self.world > self.rank)
        if len(self.waiting) > open_ones:
            rows = self.waiting.take()
            full = len(rows) - open_ones
            if open_ones:
                self.waiting.add(rows.select(slice(full, None)))
            yield rows.select(slice(0, full))

    def flush(self, call: Call) -> Iterator[Rows]:
        """The turn that waits never becomes full: it is cut."""
        if len(self.waiting):
            call.drop(len(self.waiting), "cut to equal ranks")
            self.waiting.clear()
        self.seen = 0
        return iter(())

    def state(self) -> State:
        """The place in the stream, and what waits."""
        return {"seen": self.seen, "waiting": self.waiting.state()}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.seen = state["seen"]
        self.waiting.restore(state["waiting"])

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.waiting.tables.close()
