"""Cells of periodic molecules: their axes, whether they have a volume, and atoms brought into them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["FLAT", "IMAGES", "find_bad_cells", "full_basis", "images_within", "reciprocal", "wrap"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FLAT = 1e-6  #: volume over the product of the edges, from which a cell is one
IMAGES = 1 << 20  #: cells around one that a cutoff may reach: more is a mistake, and would fill the memory


@kernel
def cross(one: Floats, two: Floats, out: Floats) -> None:
    """The vector product."""
    out[0] = one[1] * two[2] - one[2] * two[1]
    out[1] = one[2] * two[0] - one[0] * two[2]
    out[2] = one[0] * two[1] - one[1] * two[0]


@kernel
def length(vector: Floats) -> float:
    """Euclid's."""
    return float(np.sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]))


@kernel
def full_basis(cell: Floats, pbc: Bools, basis: Floats) -> None:
    """Write three vectors: those of the cell (3, 3) along periodic axes, unit vectors at right angles else.

    What the cell says along the other axes does not matter: nothing is repeated there.
    """
    periodic = int(pbc[0]) + int(pbc[1]) + int(pbc[2])
    for axis in range(3):
        for k in range(3):
            basis[axis, k] = cell[axis, k] if pbc[axis] else (1.0 if axis == k else 0.0)
    if periodic == 2:
        axis = 0 if not pbc[0] else 1 if not pbc[1] else 2
        cross(basis[(axis + 1) % 3], basis[(axis + 2) % 3], basis[axis])
        basis[axis] /= length(basis[axis])
    if periodic == 1:
        axis = 0 if pbc[0] else 1 if pbc[1] else 2
        one, two, least = basis[(axis + 1) % 3], basis[(axis + 2) % 3], 0
        for k in range(3):
            least = k if abs(basis[axis, k]) < abs(basis[axis, least]) else least
        for k in range(3):
            two[k] = 1.0 if k == least else 0.0
        cross(basis[axis], two, one)
        one /= length(one)
        cross(basis[axis], one, two)
        two /= length(two)


@kernel
def reciprocal(basis: Floats, out: Floats) -> None:
    """Write the vectors (3, 3) whose products with a place are its fractional coordinates.

    One over the length of the k-th is the distance of the faces that the k-th axis goes through.
    """
    for axis in range(3):
        cross(basis[(axis + 1) % 3], basis[(axis + 2) % 3], out[axis])
    volume = basis[0, 0] * out[0, 0] + basis[0, 1] * out[0, 1] + basis[0, 2] * out[0, 2]
    for axis in range(3):
        for k in range(3):
            out[axis, k] /= volume


@kernel
def images_within(basis: Floats, pbc: Bools, cutoff: float, gauge: Floats) -> float:
    """Cells, at most, that have a place closer than the cutoff to one of a cell; `gauge`: room for (3, 3)."""
    reciprocal(basis, gauge)
    images = 1.0
    for axis in range(3):
        if pbc[axis]:
            images *= 2.0 * np.ceil(cutoff * length(gauge[axis])) + 1.0
    return images


@kernel
def is_flat(cell: Floats, pbc: Bools) -> bool:
    """Whether the periodic axes of a cell have no length, are not finite, or lie (nearly) in each other."""
    unit = np.empty((3, 3), np.float64)
    for axis in range(3):
        far = length(cell[axis])
        if pbc[axis] and not (0.0 < far < np.inf):
            return True
        for k in range(3):
            unit[axis, k] = cell[axis, k] / far if pbc[axis] else 0.0
    basis, normal = np.empty((3, 3), np.float64), np.empty(3, np.float64)
    for one in range(3):
        cross(unit[one], unit[(one + 1) % 3], normal)
        if pbc[one] and pbc[(one + 1) % 3] and not length(normal) > FLAT:
            return True
    full_basis(unit, pbc, basis)
    cross(basis[0], basis[1], normal)
    return not abs(normal[0] * basis[2, 0] + normal[1] * basis[2, 1] + normal[2] * basis[2, 2]) > FLAT


@kernel
def find_bad_cells(
    cells: Floats, pbc: Bools, cutoff: float, why: NDArray[np.uint8], flat: int, small: int
) -> int:
    """Write why molecules have no cell that can be used; how many they are.

    Args:
        cells, pbc: (n, 3, 3) and (n, 3).
        cutoff: of pairs; 0: there are none.
        why: (n,); those that have another reason already keep it, and are not counted.
        flat: the reason for a cell without a volume.
        small: the reason for one of which more than `IMAGES` lie within the cutoff.
    """
    bad = 0
    basis, gauge = np.empty((3, 3), np.float64), np.empty((3, 3), np.float64)
    for b in range(len(cells)):
        if why[b] != 0 or not (pbc[b, 0] or pbc[b, 1] or pbc[b, 2]):
            continue
        if is_flat(cells[b], pbc[b]):
            why[b] = flat
        else:
            full_basis(cells[b], pbc[b], basis)
            if images_within(basis, pbc[b], cutoff, gauge) > IMAGES:
                why[b] = small
        bad += why[b] != 0
    return bad


@kernel
def wrap(
    places: NDArray[np.float32], b: int, lattice: tuple[Floats, Floats, Bools], inside: Floats, turns: Ints
) -> bool:
    """Bring the atoms of molecule b into its cell; False: one is too far outside.

    Args:
        places: (molecules, 3 * slots).
        lattice: basis, its reciprocal, and which axes are periodic.
        inside: (atoms, 3), written to: places in the cell along periodic axes, as they are along others.
        turns: (atoms, 3), written to: how many cells each was moved; place = inside + turns @ basis.
    """
    basis, gauge, pbc = lattice
    for i in range(len(inside)):
        for axis in range(3):
            inside[i, axis] = places[b, 3 * i + axis]
        for axis in range(3):
            turns[i, axis] = 0
            if pbc[axis]:
                along = 0.0
                for k in range(3):
                    along += np.float64(places[b, 3 * i + k]) * gauge[axis, k]
                if not abs(along) < 1 << 29:
                    return False
                turns[i, axis] = int(np.floor(along))
        for axis in range(3):
            for k in range(3):
                inside[i, k] -= turns[i, axis] * basis[axis, k]
    return True
