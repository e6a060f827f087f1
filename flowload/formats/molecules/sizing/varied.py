"""Batches of molecules that are padded to different sizes, in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.formats.molecules.layouts import Chosen, arrays_of

__all__ = ["Flat"]

LINE = 64  #: each kind of array begins on a cache line


class Flat:
    """Each array of a layout for all batches, one batch behind the other.

    Args:
        layout: its name.
        chosen: which of the arrays there are.
        count: molecules of all batches.
        slots: atoms that there is room for in all batches.
    """

    def __init__(self, layout: str, chosen: Chosen, count: int, slots: int) -> None:
        self.kinds = arrays_of(layout, chosen)
        self.lengths = {
            key: (slots if kind.atoms else count) * prod(kind.shape) for key, kind in self.kinds.items()
        }
        self.nbytes = sum(self.room(key) for key in self.kinds)

    def room(self, key: str) -> int:
        """Bytes of an array, up to where the next one begins."""
        return -(-self.lengths[key] * self.kinds[key].dtype.itemsize // LINE) * LINE

    def arrays(self, memory: Bytes) -> dict[str, NDArray[Any]]:
        """All of them, of one axis each."""
        made, begin = {}, 0
        for key, kind in self.kinds.items():
            made[key] = memory[begin : begin + self.lengths[key] * kind.dtype.itemsize].view(kind.dtype)
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
            for key, kind in self.kinds.items():
                each = prod(kind.shape)
                if kind.atoms:
                    rows = arrays[key][begin * each : end * each]
                    batch[key] = rows.reshape(size, width, *kind.shape)
                else:
                    rows = arrays[key][number * size * each : (number + 1) * size * each]
                    batch[key] = rows.reshape(size, *kind.shape)
            yield batch
            begin = end
