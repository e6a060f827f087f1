"""The sum of a policy's shares, eight at a time, and whether a number among them is none.

Compared as integers: the bits of the float32 from 0 to 1 are the integers from 0 to those of 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flowload.abc.operators import Bytes
from flowload.kernels.words import I32, I64, pointer, slices

__all__ = ["sum_of_shares"]

LANES = 8
WORDS, FLOATS = ir.VectorType(I32, LANES), ir.VectorType(ir.FloatType(), LANES)
F64 = ir.DoubleType()
SUMS = ir.VectorType(F64, LANES)
ONE, MINUS_ONE, MINUS_ZERO = 0x3F800000, 0xBF800000, 0x80000000

place_for: Any = cgutils.alloca_once_value


def same(value: int) -> Any:
    """A vector with the same number in every place (LLVM splat)."""
    return ir.Constant(WORDS, [value] * LANES)


def no_share(builder: Any, words: Any) -> Any:
    """Which of these float32 are neither from 0 to 1, nor -1, as of a move that cannot be made."""
    large = builder.icmp_unsigned(">", words, same(ONE))
    illegal = builder.icmp_unsigned("==", words, same(MINUS_ONE))
    zero = builder.icmp_unsigned("==", words, same(MINUS_ZERO))
    return builder.and_(large, builder.not_(builder.or_(illegal, zero)))


def total(builder: Any, sums: Any) -> Any:
    """The sum of a vector's numbers, one lane of it after the other: the same on every processor."""
    found = builder.extract_element(sums, ir.Constant(I32, 0))
    for lane in range(1, LANES):
        found = builder.fadd(found, builder.extract_element(sums, ir.Constant(I32, lane)))
    return found


def add(typingctx: Any, rows: Any, offset: Any, count: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """The sum of those of `count` float32 from byte `offset` on that are not -1; nan: one is no share."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, wrong = (
            place_for(builder, ir.Constant(SUMS, None)),
            place_for(builder, ir.Constant(WORDS, None)),
        )

        def note(words: Any) -> None:
            hits = builder.sext(no_share(builder, words), WORDS)
            builder.store(builder.or_(builder.load(wrong), hits), wrong)
            positive = builder.icmp_signed(">", words, same(0))
            shares = builder.bitcast(builder.select(positive, words, same(0)), FLOATS)
            builder.store(builder.fadd(builder.load(sums), builder.fpext(shares, SUMS)), sums)

        def at(place: Any, to: ir.Type) -> Any:
            byte = builder.add(args[1], builder.shl(place, ir.Constant(I64, 2)))
            return pointer(context, builder, (signature.args[0], args[0]), byte, to)

        whole = builder.and_(args[2], ir.Constant(I64, -LANES))
        with slices(builder, ir.Constant(I64, 0), whole, ir.Constant(I64, LANES)) as (k, _):
            note(builder.load(at(k, WORDS), align=1))
        with slices(builder, whole, args[2], ir.Constant(I64, 1)) as (k, _):
            one = builder.load(at(k, I32), align=1)
            note(builder.insert_element(same(0), one, ir.Constant(I32, 0)))
        hits = builder.icmp_unsigned("!=", builder.load(wrong), ir.Constant(WORDS, None))
        mask = builder.bitcast(hits, ir.IntType(LANES))
        good = builder.icmp_unsigned("==", mask, ir.Constant(ir.IntType(LANES), 0))
        return builder.select(good, total(builder, builder.load(sums)), ir.Constant(F64, float("nan")))

    return types.float64(rows, types.intp, types.intp), codegen


sum_of_shares = cast("Callable[[Bytes, int, int], float]", intrinsic(add))
