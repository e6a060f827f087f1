"""How many ordered pairs of near atoms molecules have, where they lie in their packs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.stopping import STOPPED, is_stopped

from .cells import MANY, count_near_cells
from .ragged import Offsets

__all__ = ["count_within"]

Floats = NDArray[np.float32]


@kernel
def count_within(
    places: Floats,
    offsets: Offsets,
    rows: NDArray[np.int64],
    cutoff: float,
    counts: NDArray[np.int64],
    stop: Bytes,
) -> int:
    """Write how many pairs of each molecule are closer than `cutoff`; the sum, or `STOPPED`.

    Args:
        places: (3 * atoms,) of all molecules, in the unit of the cutoff.
        offsets: atoms `offsets[i]` to `offsets[i + 1]` are those of molecule i.
        rows: the molecules.
        counts: (rows,), written to.
        stop: a flag that ends it.
    """
    total = 0
    for b in range(len(rows)):
        if is_stopped(stop):
            return STOPPED
        own = places[3 * offsets[rows[b]] : 3 * offsets[rows[b] + 1]]
        count = len(own) // 3
        if count > MANY:
            found = count_near_cells(own.reshape(1, -1), 0, count, cutoff, stop)
            if found == STOPPED:
                return STOPPED
        else:
            found = 2 * count_near(own, cutoff * cutoff)
        counts[b] = found
        total += found
    return total


@kernel
def count_near(own: Floats, limit: float) -> int:
    """Unordered pairs of one molecule whose squared distance is below the limit: each is looked at once."""
    found = 0
    for i in range(3, len(own), 3):
        for j in range(0, i, 3):
            dx = np.float64(own[i]) - np.float64(own[j])
            dy = np.float64(own[i + 1]) - np.float64(own[j + 1])
            dz = np.float64(own[i + 2]) - np.float64(own[j + 2])
            found += int(dx * dx + dy * dy + dz * dz < limit)
    return found
