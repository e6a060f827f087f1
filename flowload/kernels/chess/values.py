"""The value targets of lc0 records: who won, what the search thought, how long the game went on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.words import byte_at, float_at, int_at

from .records import (
    BEST_D,
    BEST_M,
    BEST_Q,
    D_ST,
    INVARIANCE,
    ORIG_Q,
    PLAYED_Q,
    PLIES_LEFT,
    Q_ST,
    RESULT,
    RESULT_D,
    RESULT_Q,
    ROOT_D,
    ROOT_M,
    ROOT_Q,
    shift_of,
    version_of,
)

__all__ = ["write_outcome", "write_values"]


@kernel
def write_values(rows: Bytes, i: int, out: NDArray[np.float32]) -> None:
    """Six rows of (q, d, m) of valid record i: rows (n, stride) uint8 to row i of out (n, 6, 3).

    The rows are result (m: plies left), best, played, orig, root and st (m: nan). What a version does not
    hold is nan, but for the result of versions 3 to 5, which follows from its byte, and d_st of version 6,
    which is 0.
    """
    word = int_at(rows, i * rows.shape[1])
    version, at = version_of(word), i * rows.shape[1] + shift_of(word)
    out[i] = np.nan
    write_result(rows, at, version, out, i)
    if version >= 4:
        write_search(rows, at, version, out, i)
    if version >= 6:
        for k in range(3):
            out[i, 2, k] = float_at(rows, at + PLAYED_Q + 4 * k)
            out[i, 3, k] = float_at(rows, at + ORIG_Q + 4 * k)
        out[i, 5, 0] = float_at(rows, at + Q_ST)
        out[i, 5, 1] = float_at(rows, at + D_ST) if version >= 7 else 0


@kernel
def write_outcome(
    rows: Bytes,
    i: int,
    winner: NDArray[np.float32],
    best_q: NDArray[np.float32],
    plies_left: NDArray[np.float32],
) -> None:
    """The training tuple's targets of valid record i, to winner (n, 3), best_q (n, 3), plies_left (n,).

    Both triples are win, draw, loss. A number that a version does not hold counts as 0, as in the tuples
    that lc0's training always got: best_q of version 3 is (0.5, 0, 0.5).
    """
    word = int_at(rows, i * rows.shape[1])
    version, at = version_of(word), i * rows.shape[1] + shift_of(word)
    q, d = result_of(rows, at, version)
    write_wdl(winner, i, q, d)
    q, d = np.float32(0), np.float32(0)
    if version >= 4:
        q, d = float_at(rows, at + BEST_Q), float_at(rows, at + BEST_D)
    write_wdl(best_q, i, q, d)
    plies_left[i] = plies_of(rows, at, version)


@kernel
def write_result(rows: Bytes, at: int, version: int, out: NDArray[np.float32], i: int) -> None:
    """Row 0 of the values of record i; `at` is its start, shifted."""
    q, d = result_of(rows, at, version)
    plies = plies_of(rows, at, version)
    out[i, 0, 0] = q
    out[i, 0, 1] = d
    if version >= 5 or plies != 0:
        out[i, 0, 2] = plies


@kernel
def write_search(rows: Bytes, at: int, version: int, out: NDArray[np.float32], i: int) -> None:
    """Rows 1 (best) and 4 (root) of the values of record i; `at` is its start, shifted."""
    out[i, 1, 0] = float_at(rows, at + BEST_Q)
    out[i, 1, 1] = float_at(rows, at + BEST_D)
    out[i, 4, 0] = float_at(rows, at + ROOT_Q)
    out[i, 4, 1] = float_at(rows, at + ROOT_D)
    if version >= 5:
        out[i, 1, 2] = float_at(rows, at + BEST_M)
        out[i, 4, 2] = float_at(rows, at + ROOT_M)


@kernel
def result_of(rows: Bytes, at: int, version: int) -> tuple[np.float32, np.float32]:
    """The game's result as (q, d)."""
    if version >= 6:
        return float_at(rows, at + RESULT_Q), float_at(rows, at + RESULT_D)
    byte = byte_at(rows, at + RESULT)
    return np.float32(-1 if byte == 255 else byte), np.float32(1 if byte == 0 else 0)


@kernel
def plies_of(rows: Bytes, at: int, version: int) -> np.float32:
    """Plies to the game's end; before version 6, where they are 0 or absent, the move count, 0 if unknown."""
    plies = float_at(rows, at + PLIES_LEFT) if version >= 5 else np.float32(0)
    if version < 6 and plies == 0:
        return np.float32(byte_at(rows, at + INVARIANCE))
    return plies


@kernel
def write_wdl(out: NDArray[np.float32], i: int, q: np.float32, d: np.float32) -> None:
    """Win, draw, loss, in double precision until they are stored."""
    out[i, 0] = 0.5 * (1.0 - np.float64(d) + np.float64(q))
    out[i, 1] = d
    out[i, 2] = 0.5 * (1.0 - np.float64(d) - np.float64(q))
