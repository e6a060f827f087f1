"""What a round is, where lanes become one stream: one block of each lane, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowload.abc.operators import Block
from flowload.runtime.message import NumberedBlock

__all__ = ["CUT", "Rounds"]

CUT = "cut to equal lanes"  #: why batches are dropped that not every lane has


class Rounds:
    """Says whether blocks are a round, what becomes of it, and whether another may follow.

    A stream of lanes is whole rounds: it ends with the last that all lanes have, whatever is behind in some
    of them, and is the same for any number of ranks. The smaller batches at the end of the lanes are a round
    where all are of one size.

    Args:
        size: samples of a full block of one lane; None: any may be full.
        joined: what becomes of a round.
    """

    def __init__(
        self, size: int | None = None, joined: Callable[[Sequence[Block]], Sequence[Block]] = list
    ) -> None:
        self.size = size
        self.joined = joined
        self.ended: set[int] = set()  #: lanes that have no more, or no more of this pass

    @property
    def over(self) -> bool:
        """No round will be complete any more: what comes is to be cut."""
        return bool(self.ended)

    def complete(self, items: Sequence[NumberedBlock]) -> Sequence[Block] | None:
        """What goes on with a block of each lane; None: they are no round, and are to be cut."""
        if self.size is not None and len({item.samples for item in items}) > 1:
            return None
        return self.joined([item.block for item in items if item.block is not None])
