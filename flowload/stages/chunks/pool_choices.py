"""Where a pool stands in its streams of random numbers, which go on over the passes of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Call, State
from flowload.kernels.philox import integers, stream

__all__ = ["KNOWN", "PoolChoices", "drawing"]

FILL, EXCHANGE = 0, 1  #: streams of random numbers
KNOWN = 1 << 16  #: chunks of a pass that are counted before a choice is made, where that must be


def drawing() -> Need:
    """The kernel that draws numbers for folds."""
    return integers, (np.empty(2, np.int64), 1, 0, stream((0, 0)), 0)


class PoolChoices:
    """The random choices of a pool.

    A pool draws a number for each chunk that it takes in and for each that it exchanges, and a run goes on
    counting from pass to pass. So where pass e begins depends on how many chunks the passes before it had:
    as many as this one, if nothing between the files and the pool differs from pass to pass. A run that
    begins at pass e therefore counts the chunks of its first pass before it chooses, if there are at most
    `KNOWN`; beyond those, it exchanges by the numbers of a stream of the pass's own. Where passes are kept
    apart each of them begins so.

    Args:
        first_epoch: number of the first pass.
        align: passes are kept apart.
        growing: nobody knows how many chunks a pass has: all numbers are of the pass's own.
    """

    def __init__(self, first_epoch: int = 0, *, align: bool = False, growing: bool = False) -> None:
        self.epoch = first_epoch
        self.align = align
        self.growing = growing
        self.filled = 0  # numbers used, by stream
        self.exchanged = 0
        self.own = first_epoch if growing else 0  # which stream exchanges are drawn from
        self.open = self.must_count()  #: where this pass begins is not known yet

    def must_count(self) -> bool:
        """Whether the chunks of this pass are to be counted before a choice."""
        return self.epoch > 0 and not self.growing

    def counted(self, chunks: int | None, size: int) -> None:
        """This pass has so many chunks (None: more than are counted), and the pool room for `size`."""
        self.open = False
        if chunks is None:
            self.filled, self.exchanged, self.own = self.epoch * size, 0, self.epoch
        else:
            fill = min(chunks, size)
            self.filled, self.exchanged, self.own = self.epoch * fill, self.epoch * (chunks - fill), 0

    def passed(self) -> None:
        """Note the end of a pass."""
        if self.align:
            self.epoch += 1
            self.open = self.must_count()

    def fill(self, begin: int, count: int, call: Call) -> NDArray[np.int64]:
        """For chunks that come to rows `begin` and so on: each a row among those before it, or its own."""
        which = np.empty(count, np.int64)
        integers(which, begin + 1, 1, stream(call.key(), FILL, self.own if self.growing else 0), self.filled)
        self.filled += count
        return which

    def exchange(self, size: int, count: int, call: Call) -> NDArray[np.int64]:
        """For chunks that come to a full pool: the row of each."""
        which = np.empty(count, np.int64)
        integers(which, size, 0, stream(call.key(), EXCHANGE, self.own), self.exchanged)
        self.exchanged += count
        return which

    def state(self) -> State:
        """Positions of the random streams, as JSON values."""
        return {
            "filled": self.filled,
            "exchanged": self.exchanged,
            "epoch": self.epoch,
            "own": self.own,
            "open": self.open,
        }

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.filled, self.exchanged = state["filled"], state["exchanged"]
        self.epoch, self.own, self.open = state["epoch"], state["own"], state["open"]
