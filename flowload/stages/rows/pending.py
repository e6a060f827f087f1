"""References to rows that wait in a fold."""

from __future__ import annotations

from flowload.abc.operators import State
from flowload.abc.records import Picks
from flowload.blocks import Rows
from flowload.errors import GraphError

from .reopened_tables import ReopenedTables
from .selection import RowList, RowRange, joined, narrow, picks_from_state

__all__ = ["PendingRows"]

MANY = 64  #: small parts that are joined to a large one


class PendingRows:
    """Picks from one table, in order.

    Args:
        word: the stage, for messages.
        tables: those that a restored state may name.
    """

    def __init__(self, word: str, tables: ReopenedTables) -> None:
        self.word = word
        self.tables = tables
        self.number: int | None = None  #: of the table; None: nothing has come yet
        self.block: Rows | None = None  #: says which table; None: not known before the next block
        self.large: list[Picks] = []
        self.small: list[Picks] = []
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def add(self, block: Rows) -> None:
        """Take a block. Raises GraphError for rows of another table."""
        number = self.tables.number(block)
        same = self.number == number if self.block is None else self.block.origin is block.origin
        if self.count and not same:
            raise GraphError(
                f"{self.word}: rows of different records come together here; use it before they are merged"
            )
        self.number, self.block = number, Rows(block.table, RowRange(0, 0), block.records)
        picks = block.picks
        self.small.append(RowList(narrow(picks.numbers)) if isinstance(picks, RowList) else picks)
        self.count += len(block)
        if len(self.small) >= MANY:  # each number is copied twice in all, however many come
            self.large.append(joined(self.small))
            self.small = []

    def take(self) -> Rows:
        """Everything, as one block; nothing is left."""
        block = self.tables.block(self.number or 0, self.picks(), self.block)
        self.clear()
        return block

    def clear(self) -> None:
        """Drop all that waits."""
        self.large, self.small, self.count = [], [], 0

    def picks(self) -> Picks:
        """All row numbers that wait, in order."""
        return joined([*self.large, *self.small])

    def state(self) -> State | None:
        """As JSON values; None: nothing waits."""
        return {"table": self.number, "picks": self.picks().state()} if self.count else None

    def restore(self, state: State | None) -> None:
        """Go on from what `state` returned."""
        self.large, self.block = [], None  # the next block brings the table
        self.small = [] if state is None else [picks_from_state(state["picks"])]
        self.number = None if state is None else int(state["table"])
        self.count = sum(map(len, self.small))
