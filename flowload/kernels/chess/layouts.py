"""The arrays of a batch in one pass over its records: each record is read once, while it is in the cache.

Rows (n, stride) uint8 hold records of any versions, packed or not; the arrays are C-contiguous. Each kernel
returns the first row that is no record, or -1; what lies behind a bad row is not written.

`streamed`: write past the caches, as is better for a batch that `streaming.is_large`; planes only where they
begin on a cache line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE
from flowload.kernels.streaming import address, fence

from .planes import write_bits, write_planes
from .policy import write_policy
from .records import MOVES, is_record
from .values import write_outcome, write_values

__all__ = ["encode_bits", "encode_tensors", "encode_tuple"]


@kernel
def encode_tensors(
    rows: Bytes,
    planes: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    values: NDArray[np.float32],
    streamed: bool,
) -> int:
    """Planes (n, 7168), policy (n, 1858) and values (n, 6, 3)."""
    bad, scratch, past = -1, np.empty((1, MOVES), np.float32), streamed and address(planes) % LINE == 0
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_planes(rows, i, planes, scratch, past)
        write_policy(rows, i, probabilities, scratch, past)
        write_values(rows, i, values)
    fence()
    return bad


@kernel
def encode_tuple(
    rows: Bytes,
    planes: NDArray[np.float32],
    probs: NDArray[np.float32],
    winner: NDArray[np.float32],
    best_q: NDArray[np.float32],
    plies_left: NDArray[np.float32],
    streamed: bool,
) -> int:
    """Planes (n, 7168), policy (n, 1858), winner (n, 3), best_q (n, 3) and plies left (n,)."""
    bad, scratch, past = -1, np.empty((1, MOVES), np.float32), streamed and address(planes) % LINE == 0
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_planes(rows, i, planes, scratch, past)
        write_policy(rows, i, probs, scratch, past)
        write_outcome(rows, i, winner, best_q, plies_left)
    fence()
    return bad


@kernel
def encode_bits(
    rows: Bytes,
    bits: NDArray[np.uint64],
    scalars: Bytes,
    probabilities: NDArray[np.float32],
    values: NDArray[np.float32],
    streamed: bool,
) -> int:
    """Packed planes (n, 104) and (n, 8), policy (n, 1858) and values (n, 6, 3)."""
    bad, scratch = -1, np.empty((1, MOVES), np.float32)
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_bits(rows, i, bits, scalars)
        write_policy(rows, i, probabilities, scratch, streamed)
        write_values(rows, i, values)
    fence()
    return bad
