"""Arrays that depend on nothing but a shape: computed once, read-only, shared by the batches that have it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.kernels.molecules.pairs import fill_pairs

__all__ = ["Ints", "SharedIndices", "make_pairs", "make_segments"]

Ints: TypeAlias = NDArray[np.int32]


class SharedIndices:
    """Those that were asked for lately; several threads may ask at once.

    Args:
        limit: bytes above which those that nobody asked for the longest are let go.
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.known: OrderedDict[tuple[object, ...], tuple[Ints, ...]] = OrderedDict()
        self.nbytes = 0

    def get(
        self, make: Callable[[int, int], tuple[Ints, ...]], molecules: int, slots: int
    ) -> tuple[Ints, ...]:
        """What `make` makes of this shape; the same objects each time."""
        key = (make, molecules, slots)
        with self.lock:
            if key not in self.known:
                self.known[key] = frozen(make(molecules, slots))
                self.nbytes += sum(array.nbytes for array in self.known[key])
                self.shrink()
            self.known.move_to_end(key)
            return self.known[key]

    def shrink(self) -> None:
        """Let go of the oldest, but not of the only one."""
        while self.nbytes > self.limit and len(self.known) > 1:
            _, arrays = self.known.popitem(last=False)
            self.nbytes -= sum(array.nbytes for array in arrays)


def frozen(arrays: tuple[Ints, ...]) -> tuple[Ints, ...]:
    """The arrays, which nobody can write to any more."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def make_pairs(molecules: int, slots: int) -> tuple[Ints, ...]:
    """dst and src of all pairs of slots, molecule by molecule."""
    dst, src = (np.empty(molecules * slots * (slots - 1), np.int32) for _ in range(2))
    fill_pairs(dst, src, np.full(molecules, slots, np.int32), slots, np.zeros(1, np.uint8))
    return dst, src


def make_segments(molecules: int, slots: int) -> tuple[Ints, ...]:
    """The molecule of each slot."""
    return (np.repeat(np.arange(molecules, dtype=np.int32), slots),)
