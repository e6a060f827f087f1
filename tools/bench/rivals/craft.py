"""What a loader is given to do the work with: functions, so that only the loader makes the difference.

Two sets: what a careful user writes with numpy and zlib-ng, whole chunks at a time; and our own kernels,
which no rival has, but which show what the loader itself costs. Functions of modules, because loaders pickle
them to their processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from flowload.formats.containers import gzip as gz
from flowload.formats.lc0.format import FORMAT
from flowload.formats.lc0.records import RECORDS
from tools.bench.measuring.ring import Ring, places

__all__ = ["KERNELS", "NUMPY", "V6", "Arrays", "ChunkRef", "Craft", "Records"]

V6 = RECORDS[6]
GZIP = 31  #: zlib's word for a gzip header

Arrays: TypeAlias = dict[str, NDArray[Any]]
Records: TypeAlias = NDArray[Any]  #: records along the first axis


class ChunkRef(NamedTuple):
    """Where a game is."""

    path: str
    offset: int
    size: int
    inflated: int


class Craft(NamedTuple):
    """How chunks become arrays."""

    name: str
    read: Callable[[ChunkRef], Records]  #: inflate a chunk
    encode: Callable[[Records, Arrays], None]  #: writes the layout "tensors" of some records

    def arrays(self, records: Records) -> Arrays:
        """In new memory: for processes, whose batches are copied to the reader anyway."""
        out = memory(len(records))
        self.encode(records, out)
        return out

    def into_ring(self, batch: int, threads: int) -> Callable[[Records], Arrays]:
        """In memory that is used again: for threads, so many at once."""
        ring = Ring(places(threads), lambda: touched(memory(batch)))

        def encode(records: Records) -> Arrays:
            out = ring.next()
            self.encode(records, out)
            return out

        return encode


def memory(count: int) -> Arrays:
    """Of a batch."""
    fields = FORMAT.layouts["tensors"].fields()
    return {key: np.empty((count, *shape), dtype) for key, (shape, dtype) in fields.items()}


def touched(arrays: Arrays) -> Arrays:
    """Memory whose pages are there already."""
    for array in arrays.values():
        array.fill(0)
    return arrays


def read_bytes(chunk: ChunkRef) -> bytes:
    """A chunk as it is in its file."""
    fd = os.open(chunk.path, os.O_RDONLY)
    try:
        return os.pread(fd, chunk.size, chunk.offset)
    finally:
        os.close(fd)


def read_numpy(chunk: ChunkRef) -> Records:
    """By the fastest library for it: structured records."""
    return np.frombuffer(zlib_ng.decompress(read_bytes(chunk), GZIP, chunk.inflated), V6)


def encode_numpy(records: Records, out: Arrays) -> None:
    """Version 6, input format 1: see the formats' description of planes."""
    count, planes, values = len(records), out["planes"], out["values"]
    octets = np.ascontiguousarray(records["planes"]).view(np.uint8)
    planes[:, :104] = np.unpackbits(octets, axis=1).reshape(count, 104, 8, 8)
    whole = ("castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo")
    for number, name in enumerate((*whole, "side_to_move_or_enpassant"), 104):
        planes[:, number] = records[name][:, None, None]
    planes[:, 109] = (records["rule50_count"] / np.float32(99))[:, None, None]
    planes[:, 110] = 0
    planes[:, 111] = 1
    values.fill(np.nan)
    for row, names in enumerate(VALUES):
        for column, name in enumerate(names):
            values[:, row, column] = records[name]
    values[:, 5, 1] = 0  # version 6 has no d_st
    out["probabilities"][:] = records["probabilities"]


VALUES = (
    ("result_q", "result_d", "plies_left"),
    ("best_q", "best_d", "best_m"),
    ("played_q", "played_d", "played_m"),
    ("orig_q", "orig_d", "orig_m"),
    ("root_q", "root_d", "root_m"),
    ("q_st",),
)


def read_kernels(chunk: ChunkRef) -> Records:
    """By flowload's inflater, into new memory: records as rows of bytes."""
    out = np.empty(chunk.inflated + 64, np.uint8)
    data = gz.inflate(read_bytes(chunk), out, limit=len(out), where=chunk.path)
    return data.reshape(-1, V6.itemsize)


def encode_kernels(records: Records, out: Arrays) -> None:
    """By flowload's kernels."""
    FORMAT.layouts["tensors"].encode(records, out, 0)


NUMPY = Craft("numpy", read_numpy, encode_numpy)
KERNELS = Craft("our kernels", read_kernels, encode_kernels)
