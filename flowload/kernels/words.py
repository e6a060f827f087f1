"""What numba does not spell: numbers at any byte of an array, and bits as numbers.

Numba spells an unaligned read as `array[a:b].view(dtype)[0]`, which counts references atomically and
costs more than the read; these are one or two machine instructions each, on any processor. They check
nothing: a kernel that uses them relies on the checks of whoever calls it. For tests they do: under
NUMBA_BOUNDSCHECK=1, as numba's own indexing does, they raise IndexError for bytes that are not the array's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from flowload.abc.operators import Bytes

from ._jit import CHECKED

__all__ = [
    "byte_at",
    "clear_bytes",
    "copy_bytes",
    "count_ones",
    "differ",
    "fill_ints",
    "first_one",
    "float_at",
    "int_at",
    "put_int",
    "spread_bits",
    "word_at",
]

I8, I32, I64, F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
slices: Any = cgutils.for_range_slice
EIGHT = ir.VectorType(F32, 8)  #: what the bits of a byte become


def pointer(
    context: Any, builder: Any, array: tuple[Any, Any], offset: Any, to: ir.Type, count: Any = None
) -> Any:
    """The address `offset` bytes into an array (its numba type, its value), as a pointer to `to`.

    Args:
        count: bytes from there on that are read or written; None: as many as `to` has.
    """
    kind, value = array
    held = context.make_array(kind)(context, builder, value=value)
    if CHECKED:
        size = ir.Constant(I64, context.get_abi_sizeof(to)) if count is None else count
        check(context, builder, builder.mul(held.nitems, held.itemsize), offset, size)
    start = builder.bitcast(held.data, I8.as_pointer())
    return builder.bitcast(builder.gep(start, [offset]), to.as_pointer())


def check(context: Any, builder: Any, nbytes: Any, offset: Any, count: Any) -> None:
    """Leave the kernel with IndexError unless `count` bytes at `offset` are among the first `nbytes`."""
    none = ir.Constant(I64, 0)
    before = builder.or_(builder.icmp_signed("<", offset, none), builder.icmp_signed("<", count, none))
    behind = builder.icmp_signed(">", builder.add(offset, count), nbytes)
    with builder.if_then(builder.or_(before, behind), likely=False):
        context.call_conv.return_user_exc(builder, IndexError, ("bytes that are not the array's",))


def reader(kind: Any, llvm: ir.Type) -> Any:
    """An intrinsic that reads one number of a kind from any byte of a uint8 array; a short one is widened."""

    def read(typingctx: Any, array: Any, offset: Any) -> Any:  # noqa: ARG001 - numba's calling convention
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at = pointer(context, builder, (signature.args[0], args[0]), args[1], llvm)
            value = builder.load(at, align=1)
            return builder.zext(value, I64) if llvm in (I8, I32) else value

        return kind(array, types.intp), codegen

    return intrinsic(read)


# f(array, byte offset): an unsigned number of 8 or 32 bits as int64, one of 64 bits, a float32.
byte_at = cast("Callable[[Bytes, int], int]", reader(types.int64, I8))
int_at = cast("Callable[[Bytes, int], int]", reader(types.int64, I32))
word_at = cast("Callable[[Bytes, int], np.uint64]", reader(types.uint64, I64))
float_at = cast("Callable[[Bytes, int], np.float32]", reader(types.float32, F32))


def copy(typingctx: Any, out: Any, start: Any, data: Any, offset: Any, count: Any) -> Any:  # noqa: ARG001
    """Copy `count` bytes from byte `offset` of `data` to byte `start` of `out`; they must not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = pointer(context, builder, (signature.args[0], args[0]), args[1], I8, args[4])
        source = pointer(context, builder, (signature.args[2], args[2]), args[3], I8, args[4])
        memcpy: Any = cgutils.raw_memcpy
        memcpy(builder, target, source, args[4], 1)
        return context.get_dummy_value()

    return types.void(out, types.intp, data, types.intp, types.intp), codegen


copy_bytes = cast("Callable[[NDArray[Any], int, NDArray[Any], int, int], None]", intrinsic(copy))


def clear(typingctx: Any, out: Any, start: Any, count: Any) -> Any:  # noqa: ARG001
    """Set `count` bytes from byte `start` of `out` to 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = pointer(context, builder, (signature.args[0], args[0]), args[1], I8, args[2])
        memset: Any = cgutils.memset
        memset(builder, target, args[2], 0)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp), codegen


clear_bytes = cast("Callable[[NDArray[Any], int, int], None]", intrinsic(clear))


def put(typingctx: Any, out: Any, start: Any, value: Any) -> Any:  # noqa: ARG001
    """Write the low 32 bits of a number at byte `start` of `out`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = pointer(context, builder, (signature.args[0], args[0]), args[1], I32)
        builder.store(builder.trunc(args[2], I32), at, align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.int64), codegen


put_int = cast("Callable[[NDArray[Any], int, int], None]", intrinsic(put))


def fill(typingctx: Any, out: Any, start: Any, value: Any, count: Any) -> Any:  # noqa: ARG001
    """Write the low 32 bits of a number `count` times from byte `start` of `out` on, eight at a time."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        eight, one = ir.VectorType(I32, 8), builder.trunc(args[2], I32)
        eights = splat(builder, one, eight)
        whole = builder.and_(args[3], ir.Constant(I64, -8))

        def at(place: Any, to: ir.Type) -> Any:
            byte = builder.add(args[1], builder.shl(place, ir.Constant(I64, 2)))
            return pointer(context, builder, (signature.args[0], args[0]), byte, to)

        with slices(builder, ir.Constant(I64, 0), whole, ir.Constant(I64, 8)) as (k, _):
            builder.store(eights, at(k, eight), align=1)
        with slices(builder, whole, args[3], ir.Constant(I64, 1)) as (k, _):
            builder.store(one, at(k, I32), align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.int64, types.intp), codegen


fill_ints = cast("Callable[[NDArray[Any], int, int, int], None]", intrinsic(fill))


def compare(typingctx: Any, data: Any, offset: Any, value: Any) -> Any:  # noqa: ARG001
    """Bit k of the result: the k-th of 32 numbers of 32 bits from byte `offset` of `data` is not `value`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers = ir.VectorType(I32, 32)
        at = pointer(context, builder, (signature.args[0], args[0]), args[1], numbers)
        same = splat(builder, builder.trunc(args[2], I32), numbers)
        mask = builder.icmp_unsigned("!=", builder.load(at, align=1), same)
        return builder.zext(builder.bitcast(mask, I32), I64)

    return types.int64(data, types.intp, types.int64), codegen


differ = cast("Callable[[Bytes, int, int], int]", intrinsic(compare))


def lowest(typingctx: Any, mask: Any) -> Any:  # noqa: ARG001
    """The number of the lowest bit that is set, of a number that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


first_one = cast("Callable[[int], int]", intrinsic(lowest))


def population(typingctx: Any, mask: Any) -> Any:  # noqa: ARG001
    """How many bits are set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(args[0])

    return types.int64(types.int64), codegen


count_ones = cast("Callable[[int], int]", intrinsic(population))


def splat(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    """A vector that holds one value in every lane."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, first, ir.Constant(vector, None))


def bits_of_bytes(builder: Any, byte: Any) -> Any:
    """The address of the 8 float32 of a byte, its most significant bit first, in a table of 8 KB."""
    rows, name = ir.ArrayType(EIGHT, 256), "flowload.bits_of_bytes"
    known = builder.module.globals.get(name)
    if known is None:
        known = ir.GlobalVariable(builder.module, rows, name)
        known.linkage, known.global_constant, known.align = "internal", True, 64
        bits = [[float(byte >> (k ^ 7) & 1) for k in range(8)] for byte in range(256)]
        known.initializer = ir.Constant(rows, [ir.Constant(EIGHT, row) for row in bits])
    return builder.gep(known, [ir.Constant(I64, 0), byte])


def spread(typingctx: Any, out: Any, start: Any, word: Any) -> Any:  # noqa: ARG001
    """Write 64 bits as 64 float32 from byte `start` of `out`: byte by byte, most significant bit first."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for k in range(8):
            byte = builder.and_(builder.lshr(args[2], ir.Constant(I64, 8 * k)), ir.Constant(I64, 255))
            value = builder.load(bits_of_bytes(builder, byte), align=32)
            place = builder.add(args[1], ir.Constant(I64, 32 * k))
            at = pointer(context, builder, (signature.args[0], args[0]), place, EIGHT)
            builder.store(value, at, align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.uint64), codegen


spread_bits = cast("Callable[[NDArray[Any], int, np.uint64], None]", intrinsic(spread))
