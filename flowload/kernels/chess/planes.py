"""The 112 input planes of a chess network, from lc0 records or from their packed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.streaming import stream_bits, stream_bytes
from flowload.kernels.words import byte_at, int_at, spread_bits, word_at

from .records import FLAGS, PLANES, format_of, shift_of

__all__ = ["LAST", "expand_planes", "write_bits", "write_planes"]

FLOAT_PLANE = 256  #: bytes of one plane of 64 float32
FLOAT_FRAME = 112 * FLOAT_PLANE
LAST = 8 * 64  #: floats of planes 104 to 111


@kernel
def write_planes(
    rows: Bytes, i: int, out: NDArray[np.float32], scratch: NDArray[np.float32], streamed: bool
) -> None:
    """The planes of valid record i: rows (n, stride) uint8 to row i of out (n, 7168), both C-contiguous.

    `streamed`: past the caches; `out` begins on a cache line, and `scratch` (1, n) has LAST floats or more.
    """
    at = i * rows.shape[1]
    word = int_at(rows, at)
    form = format_of(rows, at, word)
    at += shift_of(word)
    start = i * FLOAT_FRAME
    for plane in range(104):
        bits = word_at(rows, at + PLANES + 8 * plane)
        if streamed:
            stream_bits(out, start + plane * FLOAT_PLANE, bits)
        else:
            spread_bits(out, start + plane * FLOAT_PLANE, bits)
    if streamed:
        write_last(scratch, 0, 0, form, rows, at + FLAGS)
        stream_bytes(out, start + 104 * FLOAT_PLANE, scratch, 0, 4 * LAST)
    else:
        write_last(out, i, 104, form, rows, at + FLAGS)


@kernel
def write_bits(rows: Bytes, i: int, bits: NDArray[np.uint64], scalars: Bytes) -> None:
    """What the planes of valid record i are made of, to row i of bits (n, 104) and scalars (n, 8)."""
    at = i * rows.shape[1]
    word = int_at(rows, at)
    form = format_of(rows, at, word)
    at += shift_of(word)
    for plane in range(104):
        bits[i, plane] = word_at(rows, at + PLANES + 8 * plane)
    for k in range(7):
        scalars[i, k] = byte_at(rows, at + FLAGS + k)
    scalars[i, 7] = form


@kernel
def expand_planes(bits: NDArray[np.uint64], scalars: Bytes, out: NDArray[np.float32]) -> None:
    """The planes that `write_planes` gives, from what `write_bits` gave; out (n, 7168) float32."""
    for i in range(bits.shape[0]):
        for plane in range(104):
            spread_bits(out, i * FLOAT_FRAME + plane * FLOAT_PLANE, bits[i, plane])
        write_last(out, i, 104, scalars[i, 7], scalars, 8 * i)


@kernel
def write_last(out: NDArray[np.float32], i: int, first: int, form: int, data: Bytes, at: int) -> None:
    """The eight planes 104 to 111 of a frame, from the seven flag bytes that start at byte `at` of `data`.

    They become planes `first` to `first + 7` of row i of `out`.
    """
    if form == 1:
        for k in range(4):
            fill(out, i, first + k, float(byte_at(data, at + k)))
    else:
        for k in range(2):
            fill(out, i, first + k, 0.0)
            write_rank(out, i, first + k, 0, byte_at(data, at + k))
            write_rank(out, i, first + k, 7, byte_at(data, at + 2 + k))
            fill(out, i, first + 2 + k, 0.0)
    if form <= 2:
        fill(out, i, first + 4, float(byte_at(data, at + 4)))
    else:
        fill(out, i, first + 4, 0.0)
        write_rank(out, i, first + 4, 7, byte_at(data, at + 4))
    fill(out, i, first + 5, byte_at(data, at + 5) / (99 if form <= 3 else 100))
    fill(out, i, first + 6, 1.0 if form >= 132 and byte_at(data, at + 6) >= 128 else 0.0)
    fill(out, i, first + 7, 1.0)


@kernel
def fill(out: NDArray[np.float32], i: int, plane: int, value: float) -> None:
    """Fill one 8 x 8 plane with a number."""
    for square in range(64):
        out[i, 64 * plane + square] = value


@kernel
def write_rank(out: NDArray[np.float32], i: int, plane: int, rank: int, bits: int) -> None:
    """One row of a plane: bit c of a byte at column c."""
    for column in range(8):
        out[i, 64 * plane + 8 * rank + column] = (bits >> column) & 1
