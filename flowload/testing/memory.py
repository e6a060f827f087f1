"""Memory that tells who wrote outside of it, and who left it as it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, NamedArrays
from flowload.abc.records import Fields

__all__ = ["Fenced", "arrays_for", "fenced"]

FENCE = 64  #: bytes before and behind each array, which nobody may write to


class Fenced:
    """Bytes between two fences.

    Args:
        nbytes: how many.
        fill: what they and the fences hold at first.
    """

    def __init__(self, nbytes: int, fill: int) -> None:
        self.fill = fill
        self.whole = np.full(nbytes + 2 * FENCE, fill, np.uint8)
        self.data: Bytes = self.whole[FENCE : FENCE + nbytes]

    @property
    def broken(self) -> bool:
        """Something was written to a fence."""
        return bool((self.whole[:FENCE] != self.fill).any() or (self.whole[-FENCE:] != self.fill).any())


def fenced(shape: Iterable[int], dtype: np.dtype[Any], fill: int) -> tuple[Fenced, NDArray[Any]]:
    """An array between fences, and them."""
    shape = tuple(shape)
    memory = Fenced(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, fill)
    return memory, memory.data.view(dtype).reshape(shape)


def arrays_for(fields: Fields, rows: int, fill: int) -> tuple[dict[str, Fenced], NamedArrays]:
    """The arrays of so many samples, each between fences."""
    made = {key: fenced((rows, *shape), np.dtype(dtype), fill) for key, (shape, dtype) in fields.items()}
    return {key: memory for key, (memory, _) in made.items()}, {
        key: array for key, (_, array) in made.items()
    }
