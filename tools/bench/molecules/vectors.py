"""Padding as a careful user of numpy writes it: a whole batch by a few calls, into memory used again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.bench.measuring.ring import Ring

from .corpus import Corpus
from .plain import Molecules

__all__ = ["Padder", "RingPadder"]

Arrays = dict[str, NDArray[Any]]


class Padder:
    """Molecules by number to a padded batch, without pairs, in new memory: for processes."""

    def __init__(self, corpus: Corpus) -> None:
        self.molecules = Molecules(corpus)

    def __call__(self, rows: NDArray[np.int64]) -> Arrays:
        """One batch."""
        out = blank(len(rows), self.molecules.slots)
        self.write(rows, out)
        return out

    def write(self, rows: NDArray[np.int64], out: Arrays) -> None:
        """To places that hold zeros, all atoms of a batch by one call an array."""
        arrays, slots = self.molecules.opened(), self.molecules.slots
        first, sizes = arrays["offsets"][rows], arrays["offsets"][rows + 1] - arrays["offsets"][rows]
        before = np.cumsum(sizes) - sizes  # atoms of the batch before each molecule
        atoms = np.arange(int(sizes.sum()))
        source = np.repeat(first - before, sizes) + atoms
        target = np.repeat(np.arange(len(rows)) * slots - before, sizes) + atoms
        out["Z"].reshape(-1)[target] = arrays["Z"][source]
        for key in "RF":
            out[key].reshape(-1, 3)[target] = arrays[key][source]
        out["E"][:] = arrays["E"][rows]
        out["N"][:] = sizes


class RingPadder(Padder):
    """The same into memory that is used again, with pairs that were made once: for threads."""

    def __init__(self, corpus: Corpus, size: int, count: int, pairs: Arrays) -> None:
        super().__init__(corpus)
        self.ring = Ring(count, lambda: blank(size, corpus.num_atoms))
        self.pairs = pairs

    def __call__(self, rows: NDArray[np.int64]) -> Arrays:
        """One batch."""
        out = self.ring.next()
        for key in "ZRF":
            out[key].fill(0)
        self.write(rows, out)
        return {**out, **self.pairs}


def blank(size: int, slots: int) -> Arrays:
    """Memory of a batch."""
    return {
        "Z": np.zeros((size, slots), np.int32),
        "R": np.zeros((size, slots, 3), np.float32),
        "F": np.zeros((size, slots, 3), np.float32),
        "E": np.zeros(size),
        "N": np.zeros(size, np.int32),
        "Qtot": np.zeros(size),
    }
