"""The arrays of a batch in one pass over its records: each record is read once, while it is in the cache.

Rows (n, stride) uint8 hold records of any versions, packed or not; the arrays are C-contiguous. Each kernel
returns the first row that is no record, or -1; what lies behind a bad row is not written.

`streamed`: write past the caches, as is better for a batch that `streaming.is_large`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.prefetch import LINE
from flowload.kernels.streaming import address, fence

from .planes import LAST, stream_planes, write_bits, write_planes
from .policy import stream_policy, write_policy
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
    bad, scratch = -1, np.empty(max(MOVES, LAST), np.float32)
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_inputs(rows, i, planes, probabilities, scratch, streamed)
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
    bad, scratch = -1, np.empty(max(MOVES, LAST), np.float32)
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_inputs(rows, i, planes, probs, scratch, streamed)
        write_outcome(rows, i, winner, best_q, plies_left)
    fence()
    return bad


@kernel
def write_inputs(
    rows: Bytes,
    i: int,
    planes: NDArray[np.float32],
    policy: NDArray[np.float32],
    scratch: NDArray[np.float32],
    streamed: bool,
) -> None:
    """Planes and policy of record i; the planes are streamed where they begin on a cache line."""
    if streamed and address(planes) % LINE == 0:
        stream_planes(rows, i, planes, scratch[:LAST])
        stream_policy(rows, i, policy, scratch[:MOVES])
    else:
        write_planes(rows, i, planes)
        write_policy(rows, i, policy)


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
    bad, scratch = -1, np.empty(MOVES, np.float32)
    for i in range(len(rows)):
        if not is_record(rows, i, 0):
            bad = i
            break
        write_bits(rows, i, bits, scalars)
        if streamed:
            stream_policy(rows, i, probabilities, scratch)
        else:
            write_policy(rows, i, probabilities)
        write_values(rows, i, values)
    fence()
    return bad
