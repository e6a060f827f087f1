"""Records by reference become the arrays of a batch, in one leased buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Batch, Frames
from flowload.errors import DataError, GraphError
from flowload.protocols import Bytes, Call, ChunkFormat, Device, Layout

__all__ = ["Encode", "Fields", "Pieces", "batch_bytes", "find_layout"]

ALIGN = 64  #: each array begins on a cache line

#: Per key, a sample's shape and dtype.
Fields: TypeAlias = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The rows of one batch, still where they came."""

    parts: tuple[Frames | Batch, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def nbytes(self) -> int:
        """Of the rows."""
        return sum(part.nbytes for part in self.parts)


class Encode:
    """A map: one lease a batch, and every record written to it once.

    Args:
        layout: name of the format's layout; None: its first.
        device: what prepares the memory of batches, such as page-locking.
    """

    def __init__(self, layout: str | None, device: Device | None) -> None:
        self.layout = layout
        self.device = device

    def apply(self, block: Pieces, call: Call) -> Batch:
        """The arrays of a batch. Raises DataError where its parts do not go together."""
        first = block.parts[0]
        if len(block.parts) == 1 and isinstance(first, Batch) and self.device is None:
            return first  # its arrays are a batch already
        fields = self.fields(first)
        size = len(block)
        out = split_lease(call.lease(batch_bytes(fields, size), self.device), fields, size)
        start = 0
        for part in block.parts:
            self.check(part, first, fields)
            self.write(part, out, start)
            start += len(part)
        return Batch(out)

    def fields(self, part: Frames | Batch) -> Fields:
        """What the batch of a block consists of."""
        if isinstance(part, Frames):
            return find_layout(part.format, self.layout).fields()
        arrays = {key: np.asarray(array) for key, array in part.arrays.items()}
        return {key: (array.shape[1:], array.dtype) for key, array in arrays.items()}

    def check(self, part: Frames | Batch, first: Frames | Batch, fields: Fields) -> None:
        """Raise DataError unless a part has the fields of the first."""
        if isinstance(part, Frames) and isinstance(first, Frames) and part.format is first.format:
            return
        own = self.fields(part)
        if own != fields:
            where = part.sources[0].path if isinstance(part, Frames) and part.sources else "batch"
            raise DataError("unlike samples", where=where, found=in_words(own), wanted=in_words(fields))

    def write(self, part: Frames | Batch, out: dict[str, NDArray[Any]], start: int) -> None:
        """Write one part from row `start` on."""
        if isinstance(part, Frames):
            find_layout(part.format, self.layout).encode(part.data, out, start)
            return
        for key, array in part.arrays.items():
            np.copyto(out[key][start : start + len(part)], np.asarray(array))


def find_layout(format: ChunkFormat, name: str | None) -> Layout:  # noqa: A002 - the house's word for it
    """A layout of a format by its name; None: the first. Raises GraphError that lists the known ones."""
    if name is None:
        return next(iter(format.layouts.values()))
    if name not in format.layouts:
        known = ", ".join(map(repr, format.layouts))
        raise GraphError(f"batch: {format.name} has no layout {name!r}; it has {known}")
    return format.layouts[name]


def batch_bytes(fields: Fields, size: int) -> int:
    """Bytes of a batch of `size` samples, gaps between arrays included."""
    return sum(padded(shape, dtype, size) for shape, dtype in fields.values())


def padded(shape: Sequence[int], dtype: np.dtype[Any], size: int) -> int:
    """Bytes of one array, up to where the next one begins."""
    return -(-size * prod(shape) * dtype.itemsize // ALIGN) * ALIGN


def split_lease(memory: Bytes, fields: Fields, size: int) -> dict[str, NDArray[Any]]:
    """The arrays of a batch, one behind the other in its memory."""
    arrays = {}
    begin = 0
    for key, (shape, dtype) in fields.items():
        nbytes = size * prod(shape) * dtype.itemsize
        arrays[key] = memory[begin : begin + nbytes].view(dtype).reshape(size, *shape)
        begin += padded(shape, dtype, size)
    return arrays


def in_words(fields: Fields) -> str:
    """Fields for messages."""
    return ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in fields.items())
