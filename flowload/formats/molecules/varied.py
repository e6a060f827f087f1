"""Batches of molecules that are padded to different sizes, in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from numpy.typing import NDArray

from flowload.abc.operators import Bytes

from .layouts import fields_of

__all__ = ["Flat"]

LINE = 64  #: each kind of array begins on a cache line


class Flat:
    """Each array of a layout for all batches, one batch behind the other.

    Args:
        layout: its name.
        count: molecules of all batches.
        slots: atoms that there is room for in all batches.
    """

    def __init__(self, layout: str, count: int, slots: int) -> None:
        self.kinds = fields_of(layout, 1)  # of one slot, or of one molecule
        self.lengths = {
            key: slots * prod(shape) if shape else count for key, (shape, _) in self.kinds.items()
        }
        self.nbytes = sum(self.room(key) for key in self.kinds)

    def room(self, key: str) -> int:
        """Bytes of an array, up to where the next one begins."""
        return -(-self.lengths[key] * self.kinds[key][1].itemsize // LINE) * LINE

    def arrays(self, memory: Bytes) -> dict[str, NDArray[Any]]:
        """All of them, of one axis each."""
        made, begin = {}, 0
        for key, (_, dtype) in self.kinds.items():
            made[key] = memory[begin : begin + self.lengths[key] * dtype.itemsize].view(dtype)
            begin += self.room(key)
        return made

    def batches(
        self, arrays: Mapping[str, NDArray[Any]], size: int, widths: Sequence[int]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """The arrays of each batch of `size` molecules, in its shape."""
        begin = 0
        for number, width in enumerate(widths):
            end = begin + size * width
            batch = {}
            for key, (shape, _) in self.kinds.items():
                if shape:
                    each = prod(shape)
                    rows = arrays[key][begin * each : end * each]
                    batch[key] = rows.reshape(size, width, *shape[1:])
                else:
                    batch[key] = arrays[key][number * size : (number + 1) * size]
            yield batch
            begin = end
