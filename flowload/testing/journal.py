"""What went through every operator of a run, checked while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowload.abc.operators import Block, Map

from .bench import check_account, fail
from .content import copied, difference, is_owned
from .seat import Seat

__all__ = ["Entry", "Journal"]


@dataclass
class Entry:
    """One call that took a block, as the journal keeps it."""

    seat: Seat
    number: int
    block: Block
    before: Any  #: the block's copy, from before the call
    made: Mapping[str, Any] = field(default_factory=dict)  #: copies of what a map made, by port


class Journal:
    """Watches a run: every account balances after every call, and inputs stay what they were."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.open: list[Entry] = []  # calls of folds enclose those of the operators behind

    def entering(self, seat: Seat, number: int, block: Block) -> None:
        """Note what goes in."""
        self.open.append(Entry(seat, number, block, copied(block)))
        self.entries.append(self.open[-1])

    def left(self, seat: Seat, number: int, made: Mapping[str, Block]) -> None:
        """Check the call, and note what a map made."""
        entry = self.open.pop()
        check_account(seat, f"after block {number}")
        self.check_input(entry)
        if isinstance(seat.operator, Map):
            entry.made = copied(dict(made))

    def check_inputs(self) -> None:
        """Nobody changed a block after the call either."""
        for entry in self.entries:
            self.check_input(entry)

    def check_input(self, entry: Entry) -> None:
        """Only Frames with writable data are their reader's own."""
        if not is_owned(entry.before) and (changed := difference(entry.before, entry.block)):
            fail(f"{entry.seat.name}: changed its input, block {entry.number}: {changed}")

    def calls_of(self, name: str) -> list[Entry]:
        """The calls of one operator."""
        return [entry for entry in self.entries if entry.seat.name == name]
