"""Whose batch is next where lanes become one stream: rounds, of one batch of each lane in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowload.abc.operators import Block
from flowload.runtime.message import NumberedBlock

__all__ = ["CUT", "Rounds"]

CUT = "cut to equal lanes"  #: why batches are dropped that not every lane has


class Rounds:
    """Collects a block of each lane, and lets them go on together; decides, and waits for nothing.

    So a stream of lanes is whole rounds: it ends with the last that all lanes have, whatever is behind in
    some of them, and is the same for any number of ranks. The smaller batches at the end of the lanes are a
    round where all are of one size.

    Args:
        lanes: how many come together here.
        size: samples of a full block of one lane; None: any may be full.
        joined: what becomes of a round.
    """

    def __init__(
        self, lanes: int, size: int | None = None, joined: Callable[[Sequence[Block]], Sequence[Block]] = list
    ) -> None:
        self.size = size
        self.joined = joined
        self.blocks: list[NumberedBlock | None] = [None] * lanes
        self.ended: set[int] = set()  #: lanes that have no more, or no more of this pass
        self.cut = 0  # samples that were dropped

    @property
    def held(self) -> int:
        """Samples of blocks that wait for other lanes."""
        return sum(item.samples for item in self.blocks if item is not None)

    def wants(self, lane: int) -> bool:
        """Whether a lane's next block can be taken; what nobody will complete is taken to be dropped."""
        return lane not in self.ended and self.blocks[lane] is None

    def put(self, lane: int, item: NumberedBlock) -> Sequence[Block]:
        """Take a lane's block; what goes on with it."""
        self.blocks[lane] = item
        if self.ended:
            self.drop()
            return ()
        if any(block is None for block in self.blocks):
            return ()
        found = [item for item in self.blocks if item is not None]
        sizes = {item.samples for item in found}
        if self.size is not None and len(sizes) > 1:
            self.drop()
            return ()
        self.blocks = [None] * len(self.blocks)
        return self.joined([item.block for item in found if item.block is not None])

    def end(self, lane: int) -> bool:
        """A lane has no more; True when none has."""
        self.ended.add(lane)
        self.drop()
        return len(self.ended) == len(self.blocks)

    def again(self) -> None:
        """Another pass begins, in all lanes."""
        self.ended.clear()

    def drop(self) -> None:
        """Nobody will complete the round that waits."""
        self.cut += self.held
        self.blocks = [None] * len(self.blocks)
