"""What a lane makes again that a state has not, until it is where the others stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise

from flowload.errors import GraphError

__all__ = ["CatchingUp", "blocks_of_passes"]


class CatchingUp:
    """Counts the blocks of one lane that have been in rounds before, in this run or another.

    Args:
        blocks: how many of them each pass has, the one that is under way last; where passes are not kept
            apart, of all together. What a pass had more was cut, to be as long as the shortest lane.
    """

    def __init__(self, blocks: Iterable[int] = ()) -> None:
        self.left = deque(blocks)
        self.look()

    @property
    def behind(self) -> bool:
        """Whether there is more."""
        return bool(self.left)

    def take(self, count: int) -> int:
        """So many blocks have come: how many of them, from the first on, were in rounds before."""
        again = min(count, self.left[0])
        self.left[0] -= again
        self.look()
        return again

    def passed(self, lane: str) -> None:
        """A pass has ended that is kept apart. Raises GraphError where it was longer before."""
        self.check(lane)
        self.left.popleft()
        self.look()

    def check(self, lane: str) -> None:
        """Raise GraphError where no more comes of what there was."""
        if self.left and self.left[0]:
            raise GraphError(
                f"{lane} had {self.left[0]:,} more batches when the state was taken than it has now: these"
                " are other data, or fewer epochs"
            )

    def look(self) -> None:
        """See whether that was all."""
        if len(self.left) == 1 and not self.left[0]:
            self.left.clear()


def blocks_of_passes(ends: Sequence[int], rounds: int) -> list[int]:
    """Of each pass how many blocks a lane had in rounds, the one that is under way last.

    Args:
        ends: rounds before the end of each pass that is over and kept apart.
        rounds: all of them.
    """
    borders = [0, *ends, rounds]
    return [end - begin for begin, end in pairwise(borders)]
