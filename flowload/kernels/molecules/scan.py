"""Whether one of many numbers is not what it should be, eight at a time, whatever their address.

numba widens 32-bit numbers to 64 before it compares them: that takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from flowload.kernels.words import I32, I64, pointer, slices

__all__ = ["no_element_in", "not_finite_in"]

LANES = 8
WORDS = ir.VectorType(I32, LANES)
MAGNITUDE, NOT_FINITE = 0x7FFFFFFF, 0x7F800000
ELEMENTS = 118

Test = Callable[[Any, Any], Any]


place_for: Any = cgutils.alloca_once_value


def same(value: int) -> Any:
    """A vector with the same number in every place (LLVM splat)."""
    return ir.Constant(WORDS, [value] * LANES)


def not_finite(builder: Any, words: Any) -> Any:
    """Which of these float32 are nan or infinite: all bits of their exponent are set."""
    return builder.icmp_unsigned(">=", builder.and_(words, same(MAGNITUDE)), same(NOT_FINITE))


def no_element(builder: Any, words: Any) -> Any:
    """Which of these are no atomic numbers: 0 less one is the largest word."""
    return builder.icmp_unsigned(">=", builder.sub(words, same(1)), same(ELEMENTS))


def searcher(test: Test, fill: int) -> Any:
    """An intrinsic f(array, byte offset, count): whether one of so many 32-bit numbers is found by a test.

    `fill` is one that it does not find.
    """

    def search(typingctx: Any, array: Any, offset: Any, count: Any) -> Any:  # noqa: ARG001 - numba's convention
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = place_for(builder, ir.Constant(WORDS, None))

            def note(words: Any) -> None:
                hits = builder.sext(test(builder, words), WORDS)
                builder.store(builder.or_(builder.load(found), hits), found)

            def at(place: Any, to: ir.Type) -> Any:
                byte = builder.add(args[1], builder.shl(place, ir.Constant(I64, 2)))
                return pointer(context, builder, (signature.args[0], args[0]), byte, to)

            whole = builder.and_(args[2], ir.Constant(I64, -LANES))
            with slices(builder, ir.Constant(I64, 0), whole, ir.Constant(I64, LANES)) as (
                k,
                _,
            ):
                note(builder.load(at(k, WORDS), align=4))
            with slices(builder, whole, args[2], ir.Constant(I64, 1)) as (k, _):
                one = builder.load(at(k, I32), align=4)
                note(builder.insert_element(same(fill), one, ir.Constant(I32, 0)))
            hits = builder.icmp_unsigned("!=", builder.load(found), ir.Constant(WORDS, None))
            mask = builder.bitcast(hits, ir.IntType(LANES))
            return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

        return types.boolean(array, types.intp, types.intp), codegen

    return intrinsic(search)


Search = Callable[[NDArray[Any], int, int], bool]

not_finite_in = cast("Search", searcher(not_finite, 0))
no_element_in = cast("Search", searcher(no_element, 1))
