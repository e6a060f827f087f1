"""Chunks of lc0 records from their files to packed rows: many in one call, without Python and its lock.

What is done for a chunk takes half a millisecond. To come back for the lock after each step of it took a
tenth of that, and as much again went by while one of two threads slept and the other had it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.chunks.schedule import choose
from flowload.kernels.native import call_one, call_pread, call_two
from flowload.kernels.philox import Words
from flowload.kernels.words import int_at

from .packing import pack_records
from .records import first_bad, size_of
from .rules import first_broken, have_policies

__all__ = ["STREAM", "Columns", "Files", "Functions", "Room", "inflate_into", "unpack_chunks"]

#: 64-bit words of zlib-ng's `zng_stream`, and which of them are addresses, and how many bytes are left there.
STREAM = 16
NEXT_IN, LEFT_IN, NEXT_OUT, LEFT_OUT = 0, 1, 3, 4
GZIP = 31  #: windowBits: a gzip header, and a window as large as can be
FINISH, STREAM_END = 4, 1  #: zlib's words: all of the input is here; all of the output is there, and checked


class Functions(NamedTuple):
    """Addresses of the C functions that the kernel calls."""

    start: int  #: zng_inflateInit2
    reset: int  #: zng_inflateReset
    inflate: int  #: zng_inflate
    end: int  #: zng_inflateEnd
    pread: int


@kernel
def inflate_into(
    functions: Functions, stream: NDArray[np.int64], data: Bytes, count: int, out: Bytes, size: int
) -> bool:
    """Inflate the one gzip member that the first `count` bytes of `data` are to the first `size` of `out`.

    False: it is anything else. What lies behind `size` may be overwritten.

    Args:
        stream: started.
    """
    call_one(functions.reset, stream.ctypes.data)
    stream[NEXT_IN], stream[LEFT_IN] = data.ctypes.data, count
    stream[NEXT_OUT], stream[LEFT_OUT] = out.ctypes.data, len(out)
    if call_two(functions.inflate, stream.ctypes.data, FINISH) != STREAM_END:
        return False
    return bool(stream[LEFT_IN] == 0 and stream[LEFT_OUT] == len(out) - size)


class Files(NamedTuple):
    """Columns of a table of sources: descriptors and keys."""

    fds: NDArray[np.int32]  #: open files; -1: not open
    keys: Words  #: what keys the permutations of their chunks


class Columns(NamedTuple):
    """Columns of `blocks.CHUNK`."""

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    inflated: NDArray[np.int64]
    source: NDArray[np.int32]
    number: NDArray[np.int32]  #: `index` there
    use: NDArray[np.int32]
    cap: NDArray[np.int32]
    gzip: NDArray[np.bool_]


class Room(NamedTuple):
    """Memory that the kernel writes unpacked records to."""

    rows: Bytes  #: packed records: (n, stride)
    origin: NDArray[np.int32]  #: their source, chunk and record: (n, 3)
    counts: NDArray[
        np.int64
    ]  #: of each chunk its records, those taken, those that its cap cut off: (chunks, 3)


@kernel
def fetch(
    functions: Functions,
    stream: NDArray[np.int64],
    fd: int,
    chunks: Columns,
    i: int,
    scratch: Bytes,
    limit: int,
) -> int:
    """Read chunk i of a file, and inflate it to the start of the scratch memory.

    Returns its inflated size; -1: it is not as its index says, is above the limit, or has no room.
    """
    size, gzip = int(chunks.size[i]), chunks.gzip[i]
    claim = int(chunks.inflated[i]) if gzip else size
    behind = len(scratch) - size if gzip else 0  # what is read lies at the end of the scratch memory
    least = claim if gzip else 0
    if fd < 0 or not 8 <= claim <= min(limit, len(scratch)) or behind < least:
        return -1
    where = scratch[behind:]
    if call_pread(functions.pread, fd, where.ctypes.data, size, chunks.offset[i]) != size:
        return -1
    if gzip and not inflate_into(functions, stream, where, size, scratch[:behind], claim):
        return -1
    return claim


@kernel
def unpack_chunks(
    functions: Functions,
    stream: NDArray[np.int64],
    files: Files,
    chunks: Columns,
    choice: tuple[np.uint64, tuple[int, int, int]],
    scratch: Bytes,
    bounds: tuple[int, bool],
    out: Room,
) -> int:
    """Read, inflate, check, sample and pack chunks, until one is not as its index says, or has no room.

    Returns how many were unpacked; nothing is said of what is wrong with the next.

    Args:
        functions: of the libraries.
        stream: `STREAM` words, all 0.
        files: by source.
        chunks: what their index says.
        choice: seed and rule: see `schedule.choose`.
        scratch: memory for a chunk as it is in the file, and for one that is inflated.
        bounds: of a chunk's inflated size, in bytes; whether values must keep the rules: see `rules`.
        out: written to from its start.
    """
    limit, checked = bounds
    if call_two(functions.start, stream.ctypes.data, GZIP) != 0:
        return 0
    at = done = 0
    for i in range(len(chunks.size)):
        source = int(chunks.source[i])
        claim = fetch(functions, stream, int(files.fds[source]), chunks, i, scratch, limit)
        if claim < 0:
            break
        record = size_of(int_at(scratch, 0))
        if record == 0 or claim % record != 0:
            break
        records = scratch[:claim].reshape(claim // record, record)
        if first_bad(records, int_at(scratch, 0)) >= 0 or (checked and first_broken(records) >= 0):
            break
        number, use, cap = int(chunks.number[i]), int(chunks.use[i]), int(chunks.cap[i])
        which, cut = choose(len(records), use, cap, choice[0], files.keys[source], number, choice[1])
        end = at + len(which)
        if end > len(out.rows) or pack_records(records, which, out.rows[at:end]) >= 0:
            break
        if checked and not have_policies(out.rows, at, end):
            break
        for k in range(len(which)):
            out.origin[at + k, 0] = source
            out.origin[at + k, 1] = number
            out.origin[at + k, 2] = which[k]
        out.counts[i, 0] = len(records)
        out.counts[i, 1] = len(which)
        out.counts[i, 2] = cut
        at = end
        done += 1
    call_one(functions.end, stream.ctypes.data)
    return done
