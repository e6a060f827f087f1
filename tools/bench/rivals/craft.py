"""What a loader is given to do the work with: functions, so that only the loader makes the difference.

Two sets: what a good user writes with numpy and zlib, whole chunks at a time; and flowload's own kernels.
Functions of modules, because loaders pickle them to their processes.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.formats import gz
from flowload.formats.lc0 import FORMAT
from flowload.formats.lc0_records import RECORDS

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
    encode: Callable[[Records], Arrays]  #: the layout "tensors" of some records


def read_bytes(chunk: ChunkRef) -> bytes:
    """A chunk as it is in its file."""
    fd = os.open(chunk.path, os.O_RDONLY)
    try:
        return os.pread(fd, chunk.size, chunk.offset)
    finally:
        os.close(fd)


def read_numpy(chunk: ChunkRef) -> Records:
    """By zlib: structured records."""
    return np.frombuffer(zlib.decompress(read_bytes(chunk), GZIP, chunk.inflated), V6)


def encode_numpy(records: Records) -> Arrays:
    """Version 6, input format 1: see the formats' description of planes."""
    count = len(records)
    planes = np.empty((count, 112, 8, 8), np.float32)
    octets = np.ascontiguousarray(records["planes"]).view(np.uint8)
    planes[:, :104] = np.unpackbits(octets, axis=1).reshape(count, 104, 8, 8)
    whole = ("castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo")
    for number, name in enumerate((*whole, "side_to_move_or_enpassant"), 104):
        planes[:, number] = records[name][:, None, None]
    planes[:, 109] = (records["rule50_count"] / np.float32(99))[:, None, None]
    planes[:, 110] = 0
    planes[:, 111] = 1
    values = np.full((count, 6, 3), np.nan, np.float32)
    for row, names in enumerate(VALUES):
        for column, name in enumerate(names):
            values[:, row, column] = records[name]
    values[:, 5, 1] = 0  # version 6 has no d_st
    return {
        "planes": planes,
        "probabilities": records["probabilities"].copy(),
        "values": values,
    }


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


def encode_kernels(records: Records) -> Arrays:
    """By flowload's kernels, into new memory."""
    layout = FORMAT.layouts["tensors"]
    out: Arrays = {
        key: np.empty((len(records), *shape), dtype) for key, (shape, dtype) in layout.fields().items()
    }
    layout.encode(records, out, 0)
    return out


NUMPY = Craft("numpy", read_numpy, encode_numpy)
KERNELS = Craft("our kernels", read_kernels, encode_kernels)
