"""Several parts of each row of a chunk, read and taken in one call: while a row is in the cache, none is
looked at twice, and nothing of it passes through Python.

A block of rows at a time goes from the file to memory that stays in the cache, and from there to every window
array that has some of it, in the dtype that is asked for. By a call for each megabyte and part, that cost
1.27 x the bare reading; most of the surplus was Python between calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.native import call_pread
from flowload.kernels.streaming import fence, stream_bytes
from flowload.kernels.words import copy_bytes, pointer

from .cells import to_bfloat16, to_float16

__all__ = ["BFLOAT16", "COLUMNS", "FLOAT16", "SAME", "Room", "read_parts", "take_parts"]

SAME, FLOAT16, BFLOAT16 = 0, 1, 2  #: what becomes of a number

#: Of a part's line among `parts`: where its first row goes (an address), bytes from there to its next row,
#: the first of its runs among `cells`, how many of them, the words of a run, what becomes of a number,
#: whether it is written past the caches, and the words from one run to the next, where that is the same for
#: all, and 0 elsewhere.
TO, STRIDE, FIRST, COUNT, RUN, KIND, STREAM, STEP = range(8)
COLUMNS = 8
LANES = 16  #: words that are picked at a time

I8 = ir.IntType(8)


def lie(typingctx: Any, address: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """An address as a pointer to bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(args[0], I8.as_pointer())

    pointer_to: Any = types.CPointer
    return pointer_to(types.uint8)(types.int64), codegen


bytes_at = cast("Callable[[int], Any]", intrinsic(lie))


def every(step: int) -> Callable[[NDArray[Any], int, NDArray[Any], int], None]:
    """Write every so-many-th of LANES * step words from word `at` of `data` to LANES words of `out`."""

    def take(typingctx: Any, out: Any, start: Any, data: Any, at: Any) -> Any:  # noqa: ARG001
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            size = signature.args[2].dtype.bitwidth // 8
            word = ir.IntType(8 * size)
            many, few = ir.VectorType(word, LANES * step), ir.VectorType(word, LANES)

            def place(which: int, number: Any, to: ir.Type) -> Any:
                byte = builder.mul(number, ir.Constant(number.type, size))
                return pointer(context, builder, (signature.args[which], args[which]), byte, to)

            found = builder.load(place(2, args[3], many), align=size)
            picks = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [k * step for k in range(LANES)])
            taken = builder.shuffle_vector(found, ir.Constant(many, ir.Undefined), picks)
            builder.store(taken, place(0, args[1], few), align=size)
            return context.get_dummy_value()

        return types.void(out, types.intp, data, types.intp), codegen

    return cast("Callable[[NDArray[Any], int, NDArray[Any], int], None]", intrinsic(take))


every_second, every_third, every_fourth = every(2), every(3), every(4)


class Room(NamedTuple):
    """Memory for one part of one row, which is overwritten; each as long as the longest part."""

    words: NDArray[Any]  #: of the chunk's kind
    bits: NDArray[np.uint32]
    halves: NDArray[np.uint16]


@kernel
def pick(row: NDArray[Any], cells: NDArray[np.uint64], run: int, step: int, line: NDArray[Any]) -> None:
    """Write runs of a row, one behind the other, to a line of words of the same size."""
    done = 0
    if run == 1 and 2 <= step <= 4 and len(cells):  # twice as fast as by numbers, which are read, too
        first = int(cells[0])
        while done + LANES <= len(cells) and first + step * (done + LANES) <= len(row):
            if step == 2:
                every_second(line, done, row, first + step * done)
            elif step == 3:
                every_third(line, done, row, first + step * done)
            else:
                every_fourth(line, done, row, first + step * done)
            done += LANES
    if run == 1:
        for i in range(done, len(cells)):
            line[i] = row[cells[i]]
        return
    size = row.itemsize
    for k in range(len(cells)):
        copy_bytes(line, k * run * size, row, int(cells[k]) * size, run * size)


@kernel
def put(out: Bytes, start: int, data: Bytes, past: bool) -> None:
    """Copy all bytes of `data` to byte `start` of `out`, past the caches or not."""
    if past:
        stream_bytes(out, start, data, 0, len(data))
    else:
        copy_bytes(out, start, data, 0, len(data))


@kernel
def take_parts(
    words: NDArray[Any], first: int, parts: NDArray[np.int64], cells: NDArray[np.uint64], room: Room
) -> int:
    """Write the parts of rows to where they go; returns how many numbers became infinite on the way.

    Args:
        words: (rows, m) numbers as words of their size.
        first: rows of the parts that were written before these.
        parts: (n, COLUMNS): see there. Nothing checks the addresses.
        cells: where runs begin in a row.
        room: for the longest of them.
    """
    lost, values = 0, room.bits.view(np.float32)
    for k in range(len(parts)):
        stride, begin, run, kind = parts[k, STRIDE], parts[k, FIRST], parts[k, RUN], parts[k, KIND]
        own, past = cells[begin : begin + parts[k, COUNT]], parts[k, STREAM] != 0
        count, step = len(own) * run, parts[k, STEP]
        out = carray(bytes_at(parts[k, TO] + first * stride), (len(words) * stride,))
        if kind == SAME:
            data = room.words[:count].view(np.uint8)
            for row in range(len(words)):
                pick(words[row], own, run, step, room.words)
                put(out, row * stride, data, past)
        else:
            bits, halves = room.bits[:count], room.halves[:count]
            data = halves.view(np.uint8)
            for row in range(len(words)):
                pick(words[row], own, run, step, bits)
                if kind == FLOAT16:
                    lost += to_float16(halves, bits, values[:count])
                else:
                    lost += to_bfloat16(halves, bits)
                put(out, row * stride, data, past)
    fence()
    return lost


@kernel
def read_parts(
    pread: int,
    file: tuple[int, int],
    memory: Bytes,
    words: NDArray[Any],
    rows: int,
    parts: NDArray[np.int64],
    cells: NDArray[np.uint64],
    room: Room,
) -> tuple[int, int]:
    """Read rows of a file, and write parts of them to where they go, some rows at a time.

    Returns how many rows were done, and how many numbers became infinite on the way. Fewer rows than were
    asked for: the file could not be read any further; nothing is said of why.

    Args:
        pread: address of the system's function.
        file: the descriptor, and the byte at which the first row begins.
        memory: for some rows, which is overwritten.
        words: (some, m) the same memory.
        rows: to read.
        parts: see `take_parts`.
        cells: likewise.
        room: likewise.
    """
    fd, offset = file
    done = lost = 0
    width = len(memory) // len(words)
    while done < rows:
        step = min(len(words), rows - done)
        came = 0
        while came < step * width:
            wanted = step * width - came
            count = call_pread(pread, fd, memory.ctypes.data + came, wanted, offset + done * width + came)
            if count <= 0:
                return done, lost
            came += count
        lost += take_parts(words[:step], done, parts, cells, room)
        done += step
    return done, lost
