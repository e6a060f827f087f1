"""Atoms of a periodic molecule sorted into bins, and which bins to look at around one.

Bins are parallel to the faces of the cell, so that any shape of cell will do; a cutoff may reach over several
cells. A shift, by how many cells an atom is moved, is kept as one number, in whose order shifts are sorted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

from .lattice import length

__all__ = ["HERE", "bins_of", "shift_along", "sort_to_bins", "stretches"]

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING = 1.000001  #: bins are so much larger than the cutoff: near atoms are never two of these apart

BITS = 20
HALF = 1 << BITS  #: shifts are from -HALF to below HALF: `lattice.IMAGES` is far less
HERE = (HALF << (2 * BITS + 2)) + (HALF << (BITS + 1)) + HALF  #: no shift, as one number


@kernel
def as_key(u: int, v: int, w: int) -> int:
    """A shift as one number, in the order of shifts."""
    return ((u + HALF) << (2 * BITS + 2)) + ((v + HALF) << (BITS + 1)) + (w + HALF)


@kernel
def shift_along(key: int, axis: int) -> int:
    """One of the three numbers of a shift."""
    return ((key >> ((2 - axis) * (BITS + 1))) & (2 * HALF - 1)) - HALF


@kernel
def bins_of(
    inside: Floats,
    lattice: tuple[Floats, Floats, Bools],
    cutoff: float,
    sides: Floats,
    shape: Longs,
    reach: Longs,
) -> None:
    """Write lower ends and sides of bins (2, 3), how many there are along each axis, and how many to look at.

    Ends are fractional coordinates, sides are lengths in bins for one of these. No more bins than twice the
    cube root of the atoms along an axis: most would be empty.
    """
    _, gauge, pbc = lattice
    most = 2 * int(np.ceil(np.cbrt(float(len(inside)))))
    for axis in range(3):
        height, low, high = 1.0 / length(gauge[axis]), 0.0, 1.0
        if not pbc[axis]:
            low, high = np.inf, -np.inf
            for i in range(len(inside)):
                along = fraction(inside, i, gauge, axis)
                low, high = min(low, along), max(high, along)
        extent = (high - low) * height
        bins = max(1, min(most, int(extent / (cutoff * ROUNDING))))
        side = extent / bins  # 0: all atoms lie in one plane
        sides[0, axis], sides[1, axis] = low, (height / side if side > 0 else 0.0)
        shape[axis] = bins
        reach[axis] = int(cutoff * ROUNDING / side) + 1 if side > 0 else 0


@kernel
def fraction(inside: Floats, i: int, gauge: Floats, axis: int) -> float:
    """A fractional coordinate."""
    along = inside[i, 0] * gauge[axis, 0] + inside[i, 1] * gauge[axis, 1] + inside[i, 2] * gauge[axis, 2]
    return float(along)


@kernel
def sort_to_bins(inside: Floats, gauge: Floats, sides: Floats, shape: Longs) -> tuple[Longs, Longs, Floats]:
    """The atoms by bin, where each bin begins among them, and their places (3, atoms) in that order."""
    count = len(inside)
    own = np.empty(count, np.int64)
    begins = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for i in range(count):
        place = 0
        for axis in range(3):
            along = int((fraction(inside, i, gauge, axis) - sides[0, axis]) * sides[1, axis])
            place = place * shape[axis] + max(0, min(along, shape[axis] - 1))
        own[i] = place
        begins[place + 1] += 1
    for place in range(len(begins) - 1):
        begins[place + 1] += begins[place]
    order, given, sorted_places = np.empty(count, np.int64), begins.copy(), np.empty((3, count), np.float64)
    for i in range(count):
        at = given[own[i]]
        order[at], given[own[i]] = i, at + 1
        for axis in range(3):
            sorted_places[axis, at] = inside[i, axis]
    return order, begins, sorted_places


@kernel
def along_axis(at: int, bins: int, reach: int, periodic: bool) -> tuple[int, int]:
    """The bins to look at along an axis, from and to: behind the last one they begin anew, if periodic."""
    if periodic:
        return at - reach, at + reach + 1
    return max(at - reach, 0), min(at + reach + 1, bins)


@kernel
def stretches(
    at: Longs, shape: Longs, reach: Longs, pbc: Bools, begins: Longs, out: Longs, keys: Longs
) -> int:
    """Write the stretches of the sorted atoms (from, to) around a bin, and the shift of each; how many.

    In the order of shifts, for each bin that comes several times.
    """
    n = 0
    u_from, u_to = along_axis(at[0], shape[0], reach[0], pbc[0])
    v_from, v_to = along_axis(at[1], shape[1], reach[1], pbc[1])
    w_from, w_to = along_axis(at[2], shape[2], reach[2], pbc[2])
    for u in range(u_from, u_to):
        for v in range(v_from, v_to):
            line = ((u % shape[0]) * shape[1] + v % shape[1]) * shape[2]
            for turn in range(w_from // shape[2], (w_to - 1) // shape[2] + 1):
                low = max(w_from - turn * shape[2], 0)
                high = min(w_to - turn * shape[2], shape[2])
                if begins[line + low] < begins[line + high]:
                    out[n, 0], out[n, 1] = begins[line + low], begins[line + high]
                    keys[n] = as_key(u // shape[0], v // shape[1], turn)
                    n += 1
    return n
