"""The policy target of lc0 records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.streaming import stream_bytes
from flowload.kernels.words import float_at, int_at

from .packing import spread_policy
from .records import MOVES, POLICY, PROBABILITIES, is_packed, shift_of

__all__ = ["write_policy"]


@kernel
def write_policy(
    rows: Bytes, i: int, out: NDArray[np.float32], scratch: NDArray[np.float32], streamed: bool
) -> None:
    """The policy of valid record i, bit for bit: rows (n, stride) uint8 to row i of out (n, 1858).

    `streamed`: past the caches; `scratch` (1, n) has MOVES floats or more.
    """
    if streamed:
        read_policy(rows, i, scratch, 0)
        stream_bytes(out, i * POLICY, scratch, 0, POLICY)
    else:
        read_policy(rows, i, out, i)


@kernel
def read_policy(rows: Bytes, i: int, out: NDArray[np.float32], to: int) -> None:
    """The policy of record i to row `to` of `out`."""
    at = i * rows.shape[1]
    word = int_at(rows, at)
    if is_packed(word):
        spread_policy(rows, at, out, to * POLICY)
    else:
        at += PROBABILITIES + shift_of(word)
        for k in range(MOVES):  # vector moves: to memory, nearly twice as fast as memcpy
            out[to, k] = float_at(rows, at + 4 * k)
