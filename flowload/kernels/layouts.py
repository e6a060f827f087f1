"""The arrays of a batch in one pass over its records: each record is read once, while it is in the cache.

Rows (n, stride) uint8 hold records of any versions, packed or not; the arrays are C-contiguous. Each kernel
returns the first row that is no record, or -1; what lies behind a bad row is not written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.protocols import Bytes

from ._jit import kernel
from .planes import write_bits, write_planes
from .policy import write_policy
from .records import is_record
from .values import write_outcome, write_values

__all__ = ["encode_bits", "encode_tensors", "encode_tuple"]


@kernel
def encode_tensors(
    rows: Bytes,
    planes: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    values: NDArray[np.float32],
) -> int:
    """Planes (n, 7168), policy (n, 1858) and values (n, 6, 3)."""
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            return i
        write_planes(rows, i, planes)
        write_policy(rows, i, probabilities)
        write_values(rows, i, values)
    return -1


@kernel
def encode_tuple(
    rows: Bytes,
    planes: NDArray[np.float32],
    probs: NDArray[np.float32],
    winner: NDArray[np.float32],
    best_q: NDArray[np.float32],
    plies_left: NDArray[np.float32],
) -> int:
    """Planes (n, 7168), policy (n, 1858), winner (n, 3), best_q (n, 3) and plies left (n,)."""
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            return i
        write_planes(rows, i, planes)
        write_policy(rows, i, probs)
        write_outcome(rows, i, winner, best_q, plies_left)
    return -1


@kernel
def encode_bits(
    rows: Bytes,
    bits: NDArray[np.uint64],
    scalars: Bytes,
    probabilities: NDArray[np.float32],
    values: NDArray[np.float32],
) -> int:
    """Packed planes (n, 104) and (n, 8), policy (n, 1858) and values (n, 6, 3)."""
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            return i
        write_bits(rows, i, bits, scalars)
        write_policy(rows, i, probabilities)
        write_values(rows, i, values)
    return -1
