"""References to rows that wait in a fold."""

from __future__ import annotations

from flowload.blocks import Rows
from flowload.errors import GraphError
from flowload.protocols import State
from flowload.records import Picks, Table

from .picks import joined, picks_from_state
from .rows_source import FindTable

__all__ = ["Collected"]

MANY = 64  #: parts that are joined to one


class Collected:
    """Picks from one table, in order.

    Args:
        word: the stage, for messages.
        find: opens the table of a restored state.
    """

    def __init__(self, word: str, find: FindTable) -> None:
        self.word = word
        self.find = find
        self.table: Table | None = None
        self.parts: list[Picks] = []
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def add(self, block: Rows) -> None:
        """Take a block. Raises GraphError for rows of another table."""
        if self.parts and self.table is not None and block.table is not self.table:
            raise GraphError(
                f"{self.word}: rows of different records come together here; use it before they are merged"
            )
        self.table = block.table
        self.parts.append(block.picks)
        self.count += len(block)
        if len(self.parts) >= MANY:
            self.parts = [joined(self.parts)]

    def take(self) -> Rows:
        """Everything, as one block; nothing is left."""
        table = self.find() if self.table is None else self.table
        block = Rows(table, joined(self.parts))
        self.parts, self.count = [], 0
        return block

    def state(self) -> State | None:
        """As JSON values; None: nothing waits."""
        return joined(self.parts).state() if self.parts else None

    def restore(self, state: State | None) -> None:
        """Become what gave this state."""
        self.parts = [] if state is None else [picks_from_state(state)]
        self.count = sum(map(len, self.parts))
        self.table = None  # the next block brings it
