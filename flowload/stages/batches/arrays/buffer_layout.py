"""The arrays of a batch in one leased buffer, one behind the other."""

from __future__ import annotations

from math import prod
from typing import Any

from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.abc.records import Fields

__all__ = ["batch_bytes", "split_lease"]

ALIGN = 64  #: each array begins on a cache line


def batch_bytes(fields: Fields, size: int) -> int:
    """Bytes of a batch of `size` samples, gaps between arrays included."""
    total = 0
    for shape, dtype in fields.values():
        total += padded(size * prod(shape) * dtype.itemsize)
    return total


def padded(nbytes: int) -> int:
    """Bytes of one array, up to where the next one begins."""
    return -(-nbytes // ALIGN) * ALIGN


def split_lease(memory: Bytes, fields: Fields, size: int) -> dict[str, NDArray[Any]]:
    """The arrays of a batch, one behind the other in its memory."""
    arrays = {}
    begin = 0
    for key, (shape, dtype) in fields.items():
        nbytes = size * prod(shape) * dtype.itemsize
        arrays[key] = memory[begin : begin + nbytes].view(dtype).reshape(size, *shape)
        begin += padded(nbytes)
    return arrays
