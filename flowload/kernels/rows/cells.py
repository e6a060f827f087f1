"""Cells of rows by two lists of places, and numbers in half as many bits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import llvmlite.binding as binding
import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.streaming import fence, stream_bytes
from flowload.kernels.words import F32, I64, pointer

__all__ = ["WORDS", "float16_of", "gather_cells", "stream_cells", "to_bfloat16", "to_float16", "words_of"]

WORDS: dict[int, Any] = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}

SIGN, SIZE = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
INFINITE = np.uint32(0x7F800000)
LARGE = np.uint32(0x47800000)  #: 2 ** 16: no float16 is so large
SMALL = np.uint32(0x38800000)  #: 2 ** -14: below it, a float16 has fewer digits
REBIAS = np.uint32(0x37FFF001)  #: (127 - 15) << 23, less what rounds more than a half up
LANES = 16  #: numbers that are made at a time
HALF = np.uint32(0x3F000000)  #: 0.5, whose last digit is that of the smallest float16


def words_of(array: NDArray[Any]) -> NDArray[Any] | None:
    """The elements of an array as whole numbers of their size; None: they have none."""
    kind = WORDS.get(array.dtype.itemsize)
    return None if kind is None else array.view(kind)


@kernel
def gather_cells(out: NDArray[Any], rows: NDArray[Any], cells: NDArray[np.uint64]) -> None:
    """Write cell `cells[i]` of each row to cell i of the same row of `out`; each must be there.

    Args:
        out: (rows, n) words, C-contiguous.
        rows: (rows, m) words of the same size.
        cells: (n,) numbers below m.
    """
    for row in range(len(rows)):
        for i in range(len(cells)):
            out[row, i] = rows[row, cells[i]]


@kernel
def stream_cells(out: Bytes, rows: NDArray[Any], cells: NDArray[np.uint64], line: NDArray[Any]) -> None:
    """The same past the caches, to the bytes of `out`, C-contiguous.

    Args:
        out: (rows * n * size,) bytes.
        rows: (rows, m) words.
        cells: (n,) numbers below m.
        line: (n,) words, which are overwritten.
    """
    data = line.view(np.uint8)
    for row in range(len(rows)):
        for i in range(len(cells)):
            line[i] = rows[row, cells[i]]
        stream_bytes(out, row * len(data), data, 0, len(data))
    fence()


def narrow(typingctx: Any, out: Any, start: Any, values: Any, at: Any) -> Any:  # noqa: ARG001
    """Write LANES float32 from place `at` as float16 from place `start` on, by the processor's own word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, half = ir.VectorType(F32, LANES), ir.VectorType(ir.HalfType(), LANES)

        def place(which: int, size: int, to: ir.Type) -> Any:
            byte = builder.mul(args[which + 1], ir.Constant(I64, size))
            return pointer(context, builder, (signature.args[which], args[which]), byte, to)

        made = builder.fptrunc(builder.load(place(2, 4, wide), align=4), half)
        builder.store(made, place(0, 2, half), align=2)
        return context.get_dummy_value()

    return types.void(out, types.intp, values, types.intp), codegen


narrow_lanes = cast("Callable[[NDArray[Any], int, NDArray[Any], int], None]", intrinsic(narrow))


def has_narrowing() -> bool:
    """Whether this processor makes float16 of float32 itself, and the compiler knows it."""
    with suppress(RuntimeError):
        return bool(binding.get_host_cpu_features().get("f16c", False))
    return False


NARROWS = has_narrowing()


@kernel
def float16_of(whole: np.uint32, value: np.float32) -> np.uint16:
    """The bits of the float16 nearest to a number, ties to even; of what is no number, a quiet one.

    Args:
        whole: the bits of the number.
        value: the number.
    """
    size = whole & SIZE
    # Below 2 ** -14 the sum with 0.5 has the last digit of the smallest float16, and is rounded so.
    small = np.float32(abs(value) + np.float32(0.5)).view(np.uint32) - HALF
    large = (size - REBIAS + ((size >> np.uint32(13)) & np.uint32(1))) >> np.uint32(13)
    made = small if size < SMALL else large
    if size >= LARGE:
        kept = (size >> np.uint32(13)) & np.uint32(0x3FF) | np.uint32(0x200)
        made = np.uint32(0x7C00) | (kept if size > INFINITE else np.uint32(0))
    return np.uint16(((whole & SIGN) >> np.uint32(16)) | made)


@kernel
def to_float16(out: NDArray[np.uint16], bits: NDArray[np.uint32], values: NDArray[np.float32]) -> int:
    """Write the float16 nearest to each number, ties to even; returns how many became infinite.

    Args:
        out: (n,) bits of float16.
        bits: (n,) of the numbers.
        values: (n,) the numbers, on the same memory.
    """
    done = 0
    if NARROWS:  # a third of the time
        while done + LANES <= len(out):
            narrow_lanes(out, done, values, done)
            done += LANES
    for i in range(done, len(out)):
        out[i] = float16_of(bits[i], values[i])
    lost = 0
    for i in range(len(out)):
        lost += (bits[i] & SIZE) < INFINITE and (out[i] & np.uint16(0x7FFF)) == np.uint16(0x7C00)
    return lost


@kernel
def to_bfloat16(out: NDArray[np.uint16], bits: NDArray[np.uint32]) -> int:
    """Write the bfloat16 nearest to each number, ties to even; returns how many became infinite.

    Args:
        out: (n,) bits of bfloat16.
        bits: (n,) of float32.
    """
    lost = 0
    for i in range(len(out)):
        whole = bits[i]
        size = whole & SIZE
        made = (whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        quiet = ((whole & SIGN) >> np.uint32(16)) | np.uint32(0x7FC0)
        lost += size < INFINITE and (made & np.uint32(0x7FFF)) == np.uint32(0x7F80)
        out[i] = np.uint16(quiet if size > INFINITE else made)
    return lost
