"""Batches of molecules that are padded to different sizes, in one piece of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, NamedArrays
from flowload.abc.record_powers import Padding, Pair
from flowload.abc.records import Numbers
from flowload.formats.molecules.layouts import LAYOUTS, Array
from flowload.kernels.molecules.pad import mark

from .slots import Slots

__all__ = ["Cut", "Flat", "finished", "padding_of_cut"]

LINE = 64  #: each kind of array begins on a cache line


class Flat:
    """Each array of a layout for all batches, one batch behind the other.

    Args:
        kinds: the arrays, by key.
        count: molecules of all batches.
        slots: atoms that there is room for in all batches.
    """

    def __init__(self, kinds: Mapping[str, Array], count: int, slots: int) -> None:
        self.kinds = kinds
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
        self, arrays: NamedArrays, borders: Sequence[int], widths: Sequence[int]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """The arrays of each batch, in its shape: of molecules `borders[k]` to `borders[k + 1]`."""
        begin = 0
        each = [(key, kind.atoms, prod(kind.shape), kind.shape) for key, kind in self.kinds.items()]
        for width, first, last in zip(widths, borders, borders[1:], strict=False):
            size = last - first
            end = begin + size * width
            batch = {}
            for key, atoms, many, shape in each:
                if atoms:
                    batch[key] = arrays[key][begin * many : end * many].reshape(size, width, *shape)
                else:
                    batch[key] = arrays[key][first * many : last * many].reshape(size, *shape)
            yield batch
            begin = end


Whole: TypeAlias = Callable[[dict[str, NDArray[Any]], NDArray[np.int32], Numbers], Mapping[str, Any]]


class Cut(NamedTuple):
    """Molecules that were written as batches."""

    layout: str
    rows: Numbers  #: of the folder, or of the set
    borders: NDArray[np.int64]  #: batch k has molecules `borders[k]` to `borders[k + 1]`
    widths: NDArray[np.int64]  #: slots of each batch's molecules
    sizes: NDArray[np.int32]  #: atoms of each molecule


def finished(cut: Cut, arrays: Iterable[dict[str, NDArray[Any]]], whole: Whole) -> list[Pair]:
    """The batches of a cut, with what goes with each.

    Args:
        cut: what was written.
        arrays: of each batch.
        whole: makes the rest of its arrays, of the sizes of its molecules, and of their numbers.
    """
    batches: list[Pair] = []
    for batch, (first, last) in zip(arrays, pairwise(cut.borders.tolist()), strict=True):
        own = cut.sizes[first:last]
        if LAYOUTS[cut.layout].mask:
            mark(own, batch["mask"])
        batches.append((batch, whole(batch, own, cut.rows[first:last])))
    return batches


def padding_of_cut(cut: Cut, slots: Slots, pairs: Mapping[str, tuple[int, int, int]]) -> Padding:
    """How full batches are.

    Args:
        cut: they.
        slots: that molecules are padded to.
        pairs: how full their room for pairs is, by slot.
    """
    counts = np.diff(cut.borders)
    held = np.add.reduceat(cut.sizes, cut.borders[:-1], dtype=np.int64)
    places = int((counts * cut.widths).sum())
    return Padding(int(held.sum()), places, {**slots.parts(held, cut.widths, counts), **pairs})
