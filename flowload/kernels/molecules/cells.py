"""Near pairs of large molecules by a cell list: only atoms in neighbouring cells are looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.stopping import STOPPED, is_stopped

__all__ = ["MANY", "count_near_cells", "fill_near_cells"]

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]

#: Grid, shape, order and begins, as `make_grid` and `sort_to_cells` give them.
Cells = tuple[NDArray[np.float64], Longs, Longs, Longs]

MANY = (
    256  #: atoms above which cells pay: measured 150 at a cutoff of 3 Å in matter, 450 at 5 Å, 1,200 at 8 Å
)
ROUNDING = (
    1.000001  #: a cell is so much larger than the cutoff: atoms nearer than it are never two cells apart
)


@kernel
def make_grid(places: Floats, b: int, count: int, cutoff: float) -> tuple[NDArray[np.float64], Longs]:
    """Lower corner (3,) and side of the cells, together (4,), and how many there are along each axis (3,).

    Cells are no smaller than the cutoff, and along each axis no more than the cube root of the atoms asks
    for: where atoms are far apart, most cells would be empty.
    """
    grid = np.empty(4, np.float64)
    shape = np.empty(3, np.int64)
    extent = 0.0
    upper = np.empty(3, np.float64)
    for axis in range(3):
        grid[axis] = upper[axis] = places[b, axis]
        for i in range(count):
            grid[axis] = min(grid[axis], np.float64(places[b, 3 * i + axis]))
            upper[axis] = max(upper[axis], np.float64(places[b, 3 * i + axis]))
        extent = max(extent, upper[axis] - grid[axis])
    grid[3] = max(cutoff * ROUNDING, extent / (2.0 * np.ceil(np.cbrt(float(count)))))
    for axis in range(3):
        shape[axis] = np.int64((upper[axis] - grid[axis]) / grid[3]) + 1
    return grid, shape


@kernel
def cell_along(value: float, lower: float, side: float, cells: int) -> int:
    """The cell of a coordinate along one axis."""
    cell = int((np.float64(value) - lower) / side)
    return cell if cell < cells else cells - 1


@kernel
def sort_to_cells(
    places: Floats, b: int, count: int, grid: NDArray[np.float64], shape: Longs
) -> tuple[Longs, Longs]:
    """The atoms by cell, (count,), and where each cell begins among them, (cells + 1,)."""
    cells = np.empty(count, np.int64)
    begins = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for i in range(count):
        cell = 0
        for axis in range(3):
            along = cell_along(places[b, 3 * i + axis], grid[axis], grid[3], shape[axis])
            cell = cell * int(shape[axis]) + along
        cells[i] = cell
        begins[cell + 1] += 1
    for cell in range(len(begins) - 1):
        begins[cell + 1] += begins[cell]
    order = np.empty(count, np.int64)
    given = begins.copy()
    for i in range(count):
        order[given[cells[i]]] = i
        given[cells[i]] += 1
    return order, begins


@kernel
def near_one(found: Ints, k: int, i: int, places: Floats, b: int, limit: float, cells: Cells) -> int:
    """Write the atoms near atom i to `found` from element k on, in no order; where they end.

    The element behind them is written to, too.
    """
    grid, shape, order, begins = cells
    at = np.empty(3, np.int64)
    for axis in range(3):
        at[axis] = cell_along(places[b, 3 * i + axis], grid[axis], grid[3], shape[axis])
    x, y, z = places[b, 3 * i], places[b, 3 * i + 1], places[b, 3 * i + 2]
    for u in range(max(at[0] - 1, 0), min(at[0] + 2, shape[0])):
        for v in range(max(at[1] - 1, 0), min(at[1] + 2, shape[1])):
            line = (u * shape[1] + v) * shape[2]  # cells along the last axis are neighbours in memory
            low, high = max(at[2] - 1, 0), min(at[2] + 2, shape[2])
            for place in range(begins[line + low], begins[line + high]):
                j = order[place]
                dx = np.float64(x) - np.float64(places[b, 3 * j])
                dy = np.float64(y) - np.float64(places[b, 3 * j + 1])
                dz = np.float64(z) - np.float64(places[b, 3 * j + 2])
                found[k] = j  # kept where near: a branch would be guessed wrong too often
                k += (dx * dx + dy * dy + dz * dz < limit) & (j != i)
    return k


@kernel
def count_near_cells(places: Floats, b: int, count: int, cutoff: float, stop: Bytes) -> int:
    """Pairs of molecule b closer than `cutoff`; `STOPPED` where the flag is set."""
    grid, shape = make_grid(places, b, count, cutoff)
    order, begins = sort_to_cells(places, b, count, grid, shape)
    found = np.empty(count + 1, np.int32)
    total = 0
    for i in range(count):
        if is_stopped(stop):
            return STOPPED
        total += near_one(found, 0, i, places, b, cutoff * cutoff, (grid, shape, order, begins))
    return total


@kernel
def fill_near_cells(
    dst: Ints, src: Ints, k: int, places: Floats, b: int, count: int, within: tuple[float, Bytes]
) -> int:
    """Write the near pairs of molecule b from element k on; where they end; one more is written to.

    Args:
        within: the cutoff, and the flag that ends it with `STOPPED`.
    """
    cutoff, stop = within
    grid, shape = make_grid(places, b, count, cutoff)
    order, begins = sort_to_cells(places, b, count, grid, shape)
    ends = np.empty(count + 1, np.int64)
    ends[0] = k
    for i in range(count):
        if is_stopped(stop):
            return STOPPED
        cells = (grid, shape, order, begins)
        ends[i + 1] = near_one(dst, ends[i], i, places, b, cutoff * cutoff, cells)
    transpose(dst, src, ends, b * (places.shape[1] // 3), stop)
    return STOPPED if is_stopped(stop) else int(ends[count])


@kernel
def transpose(dst: Ints, src: Ints, ends: Longs, first: int, stop: Bytes) -> None:
    """Make sorted pairs of the unsorted neighbours that `dst` holds, those of atom i from `ends[i]` on.

    Nearness is mutual: going through the atoms in order, each is written behind those that its neighbours
    have got so far, and so every atom's neighbours come in order without sorting.
    """
    count = len(ends) - 1
    given = ends[:count].copy()
    for j in range(count):
        if is_stopped(stop):
            return
        for place in range(ends[j], ends[j + 1]):
            i = dst[place]
            src[given[i]] = first + j
            given[i] += 1
    for i in range(count):
        for place in range(ends[i], ends[i + 1]):
            dst[place] = first + i
