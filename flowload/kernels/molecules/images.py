"""Near pairs under periodic boundaries, by bins of the cell: only atoms in neighbouring bins are looked at.

A neighbour is an atom and a shift: by how many cells it is moved; see `bins`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.stopping import STOPPED, is_stopped

from .bins import HERE, bins_of, shift_along, sort_to_bins, stretches
from .lattice import full_basis, reciprocal, wrap

__all__ = ["OUTSIDE", "Found", "count_images", "fill_images", "find_images"]

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Neighbours of all atoms, their shifts, where those of each atom (atoms, 2) lie, and turns of `wrap`.
Found = tuple[Ints, Longs, Longs, Longs]

OUTSIDE = -2  #: and below: -2 - b: an atom of molecule b is too far outside of its cell


@kernel
def near_in(
    lists: tuple[Ints, Longs],
    k: int,
    me: int,
    where: tuple[Longs, Floats],
    stretch: tuple[int, int, int],
    move: Floats,
    within: tuple[float, bool],
) -> int:
    """Write the atoms of a stretch near the sorted atom `me` from element k on; where they end.

    The element behind them is written to, too. Distances are (one - other) + move: the same, but for their
    sign, from the other side, so that nearness is mutual to the last bit.
    """
    order, places = where
    limit, half = within
    found, keys = lists
    first, last, key = stretch
    i, here = order[me], key == HERE
    x, y, z = places[0, me], places[1, me], places[2, me]
    for p in range(first, last):
        dx = (places[0, p] - x) + move[0]
        dy = (places[1, p] - y) + move[1]
        dz = (places[2, p] - z) + move[2]
        j = order[p]
        near = (dx * dx + dy * dy + dz * dz < limit) & (not (here & (j == i)))
        near &= (not half) | (j < i) | ((j == i) & (key < HERE))
        found[k] = j  # kept where near: a branch would be guessed wrong too often
        keys[k] = key
        k += int(near)
    return k


@kernel
def grown(found: Ints, keys: Longs, k: int, room: int) -> tuple[Ints, Longs]:
    """Arrays with room behind element k."""
    if k + room < len(found):
        return found, keys
    size = max(2 * len(found), k + room + 1)
    more, longer = np.empty(size, np.int32), np.empty(size, np.int64)
    more[:k], longer[:k] = found[:k], keys[:k]
    return more, longer


@kernel
def find_one(
    lists: tuple[Ints, Longs],
    k: int,
    spans: Longs,
    inside: Floats,
    lattice: tuple[Floats, Floats, Bools],
    within: tuple[float, bool],
    stop: Bytes,
) -> tuple[Ints, Longs, int]:
    """The near pairs of a molecule behind element k of the lists, perhaps in longer ones; where they end."""
    found, keys = lists
    cutoff, half = within
    basis, gauge, pbc = lattice
    sides, shape, reach = np.empty((2, 3), np.float64), np.empty(3, np.int64), np.empty(3, np.int64)
    bins_of(inside, lattice, cutoff, sides, shape, reach)
    order, begins, places = sort_to_bins(inside, gauge, sides, shape)
    most = 1
    for axis in range(3):
        most *= 2 * reach[axis] + 2 if axis < 2 else (2 * reach[axis] + 1) // shape[axis] + 3
    parts, shifts = np.empty((most, 2), np.int64), np.empty(most, np.int64)
    moves, at = np.empty((most, 3), np.float64), np.empty(3, np.int64)
    for place in range(len(begins) - 1):
        if begins[place] == begins[place + 1]:
            continue
        if is_stopped(stop):
            return found, keys, STOPPED
        at[0], at[1] = place // (shape[1] * shape[2]), place // shape[2] % shape[1]
        at[2] = place % shape[2]
        n = stretches(at, shape, reach, pbc, begins, parts, shifts)
        room = move_all(parts, shifts, n, basis, moves)
        for me in range(begins[place], begins[place + 1]):
            found, keys = grown(found, keys, k, room)
            spans[order[me], 0] = k
            for s in range(n):
                stretch, near = (parts[s, 0], parts[s, 1], shifts[s]), (cutoff * cutoff, half)
                k = near_in((found, keys), k, me, (order, places), stretch, moves[s], near)
            spans[order[me], 1] = k
    return found, keys, k


@kernel
def move_all(parts: Longs, shifts: Longs, n: int, basis: Floats, moves: Floats) -> int:
    """Write how far the atoms of each of n stretches are moved; atoms of all."""
    room = 0
    for s in range(n):
        room += parts[s, 1] - parts[s, 0]
        for k in range(3):
            moves[s, k] = 0.0
            for axis in range(3):
                moves[s, k] += shift_along(shifts[s], axis) * basis[axis, k]
    return room


@kernel
def find_images(
    places: NDArray[np.float32],
    sizes: Ints,
    cells: Floats,
    pbc: Bools,
    within: tuple[float, bool],
    stop: Bytes,
) -> tuple[Found, int]:
    """The near pairs of all molecules, for `fill_images`, and how many there are.

    Args:
        places: (molecules, 3 * slots), in the unit of the cutoff.
        sizes: atoms of each molecule.
        cells, pbc: (molecules, 3, 3) and (molecules, 3); see `lattice.find_bad_cells`: none is bad.
        within: the cutoff: distances are smaller; and whether each pair is wanted once, rather than from
            both of its sides.
        stop: a flag that ends it with `STOPPED` in the place of the number.

    The number may also be `OUTSIDE` or less.
    """
    atoms = 0
    for b in range(len(sizes)):
        atoms += int(sizes[b])
    spans, turns = np.empty((atoms, 2), np.int64), np.empty((atoms, 3), np.int64)
    found, keys = np.empty(64 * atoms + 1, np.int32), np.empty(64 * atoms + 1, np.int64)
    basis, gauge = np.empty((3, 3), np.float64), np.empty((3, 3), np.float64)
    k = first = 0
    for b in range(len(sizes)):
        last = first + int(sizes[b])
        full_basis(cells[b], pbc[b], basis)
        reciprocal(basis, gauge)
        lattice, inside = (basis, gauge, pbc[b]), np.empty((last - first, 3), np.float64)
        if not wrap(places, b, lattice, inside, turns[first:last]):
            return (found, keys, spans, turns), OUTSIDE - b
        found, keys, k = find_one((found, keys), k, spans[first:last], inside, lattice, within, stop)
        if k == STOPPED:
            break
        first = last
    return (found, keys, spans, turns), k


@kernel
def fill_images(
    dst: Ints, src: Ints, shifts: Ints, found: Found, sizes: Ints, slots: int, stop: Bytes
) -> int:
    """Write what `find_images` found, sorted by dst, then src, then shift; how many pairs.

    Nearness is mutual: going through the atoms in order, each is written behind those that its neighbours
    have got so far, its shifts from the last to the first with their signs turned: nothing has to be sorted.

    Args:
        dst, src: slot s of molecule b is b * slots + s.
        shifts: (pairs, 3): the distance is place[src] + shift @ cell - place[dst], of places as they came.
    """
    near, keys, spans, turns = found
    k = first = 0
    for b in range(len(sizes)):
        if is_stopped(stop):
            return STOPPED
        count = int(sizes[b])
        given = np.zeros(count + 1, np.int64)
        for j in range(count):
            for p in range(spans[first + j, 0], spans[first + j, 1]):
                given[near[p] + 1] += 1
        given[0] = k
        for i in range(count):
            given[i + 1] += given[i]
        k = given[count]
        for j in range(count):
            for p in range(spans[first + j, 1] - 1, spans[first + j, 0] - 1, -1):
                i = near[p]
                dst[given[i]], src[given[i]] = b * slots + i, b * slots + j
                for axis in range(3):
                    moved = turns[first + i, axis] - turns[first + j, axis]
                    shifts[given[i], axis] = moved - shift_along(keys[p], axis)
                given[i] += 1
        first += count
    return k


@kernel
def count_images(
    places: NDArray[np.float32],
    offsets: Longs,
    rows: Longs,
    boxes: tuple[Floats, Bools],
    within: tuple[float, bool],
    counts: Longs,
    stop: Bytes,
) -> int:
    """Write how many near pairs each molecule has; the sum, or `STOPPED`.

    Args:
        places: (3 * atoms,) of all molecules, in the unit of the cutoff.
        offsets: atoms `offsets[i]` to `offsets[i + 1]` are those of molecule i.
        rows: the molecules.
        boxes: their cells and pbc; see `find_images`.
        within: see there.
        counts: (rows,), written to; 0 where an atom is too far outside.
        stop: a flag that ends it.
    """
    cells, pbc = boxes
    basis, gauge = np.empty((3, 3), np.float64), np.empty((3, 3), np.float64)
    lists = np.empty(0, np.int32), np.empty(0, np.int64)
    total = 0
    for b in range(len(rows)):
        own = places[3 * offsets[rows[b]] : 3 * offsets[rows[b] + 1]].reshape(1, -1)
        atoms = own.shape[1] // 3
        full_basis(cells[b], pbc[b], basis)
        reciprocal(basis, gauge)
        lattice, inside = (basis, gauge, pbc[b]), np.empty((atoms, 3), np.float64)
        counts[b] = 0
        if wrap(own, 0, lattice, inside, np.empty((atoms, 3), np.int64)):
            found, keys, k = find_one(lists, 0, np.empty((atoms, 2), np.int64), inside, lattice, within, stop)
            if k == STOPPED:
                return STOPPED
            lists, counts[b] = (found, keys), k
        total += counts[b]
    return total
