"""What a round is, where lanes become one stream: one block of each lane, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block
from flowload.runtime.message import NumberedBlock, batches_of

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


class Bundle(NamedTuple):
    """A block of several batches of one lane."""

    sizes: Sequence[int]  #: samples of each
    nbytes: int
    counts: NDArray[np.int64]  #: before it


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
        self.ends: list[int] = []  #: rounds before the end of each pass that is kept apart
        self.needed: Callable[[], int] | None = None  #: the first round whose stand somebody may ask for
        self.stands: dict[int, NDArray[np.int64]] = {}  #: counts of each lane before a round, by its number
        self.bundles: dict[int, Bundle] = {}  #: what an only lane gave there, where it is several rounds

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
        while len(self.stands) > 1 and next(islice(self.stands, 1, None)) <= needed:
            first = next(iter(self.stands))
            del self.stands[first]
            self.bundles.pop(first, None)

    def took(self, item: NumberedBlock, counts: NDArray[np.int64]) -> int:
        """Count a round; of an only lane, whose blocks may be of several batches, all of them.

        Args:
            item: a block of the round.
            counts: what each lane had given before it, and marks behind the round before.

        Returns:
            how many rounds that was.
        """
        if (count := batches_of(item)) > 1:
            block: Any = item.block
            self.bundles[self.number] = Bundle(tuple(block.batch_sizes()), item.nbytes, counts.copy())
        self.number += count
        return count

    def stand(self, number: int) -> NDArray[np.int64] | None:
        """What each lane had given before a round; None: it did not come so far, or nobody knows any more."""
        if (known := self.stands.get(number)) is not None:
            return known
        first = max((begin for begin in list(self.stands) if begin < number), default=number)
        if (bundle := self.bundles.get(first)) is None or number - first >= len(bundle.sizes):
            return None
        before = sum(bundle.sizes[: number - first])
        counts = bundle.counts.copy()
        counts[:, [Count.TAKEN, Count.BLOCKS]] += number - first
        counts[:, Count.SAMPLES] += before
        counts[:, Count.NBYTES] += bundle.nbytes * before // sum(bundle.sizes)
        return counts


def dropped(counts: NDArray[np.int64]) -> Counter[str]:
    """What was dropped where lanes come together, by why."""
    found = {CUT: int(counts[:, Count.CUT].sum()), AGAIN: int(counts[:, Count.AGAIN].sum())}
    return Counter({why: samples for why, samples in found.items() if samples})
