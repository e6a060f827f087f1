"""What a round is, where lanes become one stream: one block of each lane, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block
from flowload.runtime.message import NumberedBlock

__all__ = ["AGAIN", "CUT", "Count", "Rounds", "dropped"]

CUT = "cut to equal lanes"  #: why batches are dropped that not every lane has
AGAIN = "delivered before by another rank"  #: why those are dropped that only this lane had to make again


class Count(IntEnum):
    """What is counted of a lane's blocks: columns of `Rounds.counts`."""

    TAKEN = 0  #: messages
    PASSES = 1  #: of them, ends of passes
    CAUGHT_UP = 2  #: of them, words that all has been told
    BLOCKS = 3
    SAMPLES = 4
    NBYTES = 5
    CUT = 6  #: samples that were cut
    AGAIN = 7  #: samples that were only made again


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
        self.number = 0  #: rounds so far
        self.needed: Callable[[], int] | None = None  #: the first round whose stand somebody may ask for
        self.stands: dict[int, NDArray[np.int64]] = {}  #: counts of each lane before a round, by its number

    @property
    def over(self) -> bool:
        """No round will be complete any more: what comes is to be cut."""
        return bool(self.ended)

    def complete(self, items: Sequence[NumberedBlock]) -> Sequence[Block] | None:
        """What goes on with a block of each lane; None: they are no round, and are to be cut."""
        if self.size is not None and len({item.samples for item in items}) > 1:
            return None
        return self.joined([item.block for item in items if item.block is not None])

    def note(self, counts: NDArray[np.int64]) -> None:
        """Remember what lanes had given before the round that comes next; forget what nobody asks for."""
        if self.needed is None:
            return
        self.stands[self.number] = counts.copy()
        needed = self.needed()
        while len(self.stands) > 1 and (first := next(iter(self.stands))) < needed:
            del self.stands[first]


def dropped(counts: NDArray[np.int64]) -> Counter[str]:
    """What was dropped where lanes come together, by why."""
    found = {CUT: int(counts[:, Count.CUT].sum()), AGAIN: int(counts[:, Count.AGAIN].sum())}
    return Counter({why: samples for why, samples in found.items() if samples})
