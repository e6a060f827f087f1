"""Indices of ordered pairs i != j of atoms in padded batches, sorted by dst, then by src.

Slot s of molecule b has index b * slots + s. All pairs of a large molecule take seconds: each kernel looks at
a flag for every atom, and ends with `STOPPED` where it is set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.stopping import STOPPED, is_stopped

from .cells import MANY, count_near_cells, fill_near_cells

__all__ = ["fill_pairs", "fill_pairs_within", "keep_half", "room_within"]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]


@kernel
def fill_pairs(dst: Ints, src: Ints, sizes: Ints, slots: int, stop: Bytes) -> int:
    """Write all pairs of the first `sizes[b]` slots of each molecule; how many."""
    k = 0
    for b in range(len(sizes)):
        first, count = b * slots, int(sizes[b])
        for i in range(first, first + count):
            if is_stopped(stop):
                return STOPPED
            for j in range(first, i):
                dst[k], src[k] = i, j
                k += 1
            for j in range(i + 1, first + count):
                dst[k], src[k] = i, j
                k += 1
    return k


@kernel
def room_within(places: Floats, sizes: Ints, cutoff: float, stop: Bytes) -> int:
    """Elements that `fill_pairs_within` wants: where it looks at all pairs, for all; and one to spare."""
    room = 1
    for b in range(len(sizes)):
        count = int(sizes[b])
        found = count_near_cells(places, b, count, cutoff, stop) if count > MANY else count * (count - 1)
        if found == STOPPED:
            return STOPPED
        room += found
    return room


@kernel
def fill_pairs_within(dst: Ints, src: Ints, places: Floats, sizes: Ints, cutoff: float, stop: Bytes) -> int:
    """Write the pairs of real atoms closer than `cutoff`; how many.

    Args:
        dst: with `room_within` elements.
        src: as many.
        places: (molecules, 3 * slots), in the unit of the cutoff.
        sizes: real atoms of each molecule.
        cutoff: distances must be smaller.
        stop: see the module.
    """
    k = 0
    for b in range(len(sizes)):
        if k == STOPPED or is_stopped(stop):
            return STOPPED
        if sizes[b] > MANY:
            k = fill_near_cells(dst, src, k, places, b, sizes[b], (cutoff, stop))
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


@kernel
def keep_half(dst: Ints, src: Ints, count: int) -> int:
    """Keep those of the first `count` pairs that go from a smaller to a larger index; how many."""
    k = 0
    for p in range(count):
        dst[k], src[k] = dst[p], src[p]
        k += int(dst[k] < src[k])
    return k
