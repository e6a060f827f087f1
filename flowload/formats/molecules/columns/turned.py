"""Vectors and tensors turned with their molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .column import Column

__all__ = ["matrices", "turned"]

Floats = NDArray[np.float64]

#: Places of xx, yy, zz, yz, xz, xy in a symmetric tensor, and where each of its nine numbers stands there.
ROWS, COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)
SPREAD = ((0, 5, 4), (5, 1, 3), (4, 3, 2))


def matrices(turns: Floats) -> Floats:
    """The rotations (n, 3, 3) that unit quaternions (n, 4) w, x, y, z stand for."""
    w, x, y, z = turns.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def turned(array: NDArray[Any], rotations: Floats, column: Column) -> Floats:
    """The numbers of a column (molecules, ...) after each molecule was turned; see `Column.kind`."""
    if column.kind == "voigt":
        whole = array[..., SPREAD]
        return turn_axes(whole, rotations, 2)[..., ROWS, COLUMNS]
    return turn_axes(array, rotations, len(column.ends))


def turn_axes(array: NDArray[Any], rotations: Floats, rank: int) -> Floats:
    """Every one of the last `rank` axes is turned."""
    made = array.astype(np.float64)
    for axis in range(made.ndim - rank, made.ndim):
        last = np.moveaxis(made, axis, -1)
        flat = last.reshape(len(last), -1, 3) @ np.swapaxes(rotations, 1, 2)
        made = np.moveaxis(flat.reshape(last.shape), -1, axis)
    return made
