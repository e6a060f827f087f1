"""The bookkeeping of a window whose members are drawn in random order, each once a pass.

Members lie in numbered slots. `pending[:count]` lists the slots that were not drawn in this pass, in any
order; `places[slot]` says where in that list a slot stands, or -1. So joining, leaving and drawing take
the same short time however large the window is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["draw", "join"]

Slots = NDArray[np.int64]


@kernel
def join(pending: Slots, places: Slots, count: int, first: int, more: int) -> int:
    """New members take slots `first` .. `first + more - 1` and join the pass; returns how many are pending.

    Whoever was in those slots leaves, the pass too if it was pending.
    """
    for slot in range(first, first + more):
        place = places[slot]
        if place >= 0:
            continue  # its place in the pass is the new member's: the order of `pending` has no meaning
        pending[count] = slot
        places[slot] = count
        count += 1
    return count


@kernel
def draw(out: Slots, pending: Slots, places: Slots, count: int, which: Slots) -> None:
    """Take len(out) slots out of the pass; `which[i]` is below count - i, and uniform for a fair choice."""
    for i in range(len(out)):
        place = which[i]
        slot, last = pending[place], pending[count - 1 - i]
        pending[place] = last
        places[last] = place
        places[slot] = -1
        out[i] = slot
