"""Molecules moved and turned in place; slots without an atom stay 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["centre", "turn"]

Floats = NDArray[np.float32]


@kernel
def centre(places: Floats, sizes: NDArray[np.int32]) -> None:
    """Move the mean place of the first `sizes[b]` atoms of molecule b (molecules, slots, 3) to 0."""
    for b in range(len(sizes)):
        for axis in range(3):
            mean = 0.0
            for i in range(sizes[b]):
                mean += np.float64(places[b, i, axis])
            mean /= sizes[b]
            for i in range(sizes[b]):
                places[b, i, axis] -= np.float32(mean)


@kernel
def turn(vectors: Floats, turns: NDArray[np.float64]) -> None:
    """Turn the vectors (molecules, slots, 3) of molecule b by the unit quaternion `turns[b]` (w, x, y, z)."""
    for b in range(len(turns)):
        w, x, y, z = turns[b, 0], turns[b, 1], turns[b, 2], turns[b, 3]
        for i in range(vectors.shape[1]):
            p, q, r = np.float64(vectors[b, i, 0]), np.float64(vectors[b, i, 1]), np.float64(vectors[b, i, 2])
            # v + 2 w (u x v) + 2 u x (u x v), where u = (x, y, z).
            s, t, v = 2 * (y * r - z * q), 2 * (z * p - x * r), 2 * (x * q - y * p)
            vectors[b, i, 0] = p + w * s + y * v - z * t
            vectors[b, i, 1] = q + w * t + z * s - x * v
            vectors[b, i, 2] = r + w * v + x * t - y * s
