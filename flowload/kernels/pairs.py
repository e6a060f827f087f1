"""Indices of ordered pairs i != j of atoms in padded batches, sorted by dst, then by src.

Slot s of molecule b has index b * slots + s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel
from .cells import MANY, count_near_cells, fill_near_cells

__all__ = ["fill_pairs", "fill_pairs_within", "room_within"]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@kernel
def fill_pairs(dst: Ints, src: Ints, sizes: Ints, slots: int) -> int:
    """Write all pairs of the first `sizes[b]` slots of each molecule; how many."""
    k = 0
    for b in range(len(sizes)):
        first, count = b * slots, int(sizes[b])
        for i in range(first, first + count):
            for j in range(first, i):
                dst[k], src[k] = i, j
                k += 1
            for j in range(i + 1, first + count):
                dst[k], src[k] = i, j
                k += 1
    return k


@kernel
def room_within(places: Floats, sizes: Ints, cutoff: float) -> int:
    """Elements that `fill_pairs_within` wants: where it looks at all pairs, for all; and one to spare."""
    room = 1
    for b in range(len(sizes)):
        count = int(sizes[b])
        room += count_near_cells(places, b, count, cutoff) if count > MANY else count * (count - 1)
    return room


@kernel
def fill_pairs_within(dst: Ints, src: Ints, places: Floats, sizes: Ints, cutoff: float) -> int:
    """Write the pairs of real atoms closer than `cutoff`; how many.

    Args:
        dst: with `room_within` elements.
        src: as many.
        places: (molecules, 3 * slots), in the unit of the cutoff.
        sizes: real atoms of each molecule.
        cutoff: distances must be smaller.
    """
    k = 0
    for b in range(len(sizes)):
        if sizes[b] > MANY:
            k = fill_near_cells(dst, src, k, places, b, sizes[b], cutoff)
        else:
            k = fill_near(dst, src, k, places, b, sizes[b], cutoff)
    return k


@kernel
def fill_near(dst: Ints, src: Ints, k: int, places: Floats, b: int, count: int, cutoff: float) -> int:
    """Write the near pairs of molecule b from element k on, looking at all of its pairs; where they end."""
    first = b * (places.shape[1] // 3)
    limit = cutoff * cutoff
    for i in range(count):
        x, y, z = places[b, 3 * i], places[b, 3 * i + 1], places[b, 3 * i + 2]
        for j in range(count):
            dx = np.float64(x) - np.float64(places[b, 3 * j])
            dy = np.float64(y) - np.float64(places[b, 3 * j + 1])
            dz = np.float64(z) - np.float64(places[b, 3 * j + 2])
            near = (dx * dx + dy * dy + dz * dz < limit) & (i != j)
            # Written in any case, and kept where near: a branch would be guessed wrong too often.
            dst[k] = first + i
            src[k] = first + j
            k += int(near)
    return k
