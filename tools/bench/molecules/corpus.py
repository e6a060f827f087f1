"""Packed molecules of random numbers: a loader does not mind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowload.formats.molecules.packed import PackedMolecules

__all__ = ["LARGEST", "SMALLEST", "Corpus", "as_order", "write_molecules"]

SMALLEST, LARGEST = 5, 60  #: atoms, each size as likely
PART = 1 << 16  #: molecules that are made at a time


@dataclass(frozen=True)
class Corpus:
    """A folder, and one random order of its molecules."""

    folder: Path
    order: NDArray[np.int64]
    num_atoms: int

    @property
    def records(self) -> PackedMolecules:
        """Padded to the same size, with the pairs of each molecule of a batch."""
        return PackedMolecules(self.folder, self.num_atoms, "batch")

    @property
    def varied(self) -> PackedMolecules:
        """Padded to the largest of each batch, with the pairs of one molecule: as it is by default."""
        return PackedMolecules(self.folder)


def write_molecules(folder: Path, count: int, num_atoms: int) -> Corpus:
    """So many molecules of 5 to 60 atoms."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    sizes = rng.integers(SMALLEST, LARGEST + 1, count, np.int32)
    np.save(folder / "n_atoms.npy", sizes)
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))
    with (
        (folder / "Z_pack.int32").open("wb") as numbers,
        (folder / "R_pack.f32").open("wb") as places,
        (folder / "F_pack.f32").open("wb") as forces,
    ):
        for start in range(0, count, PART):
            atoms = int(sizes[start : start + PART].sum())
            rng.integers(1, 10, atoms, np.int32).tofile(numbers)
            for file in (places, forces):
                rng.standard_normal((atoms, 3), np.float32).tofile(file)
    rng.standard_normal(count).tofile(folder / "E.f64")
    return Corpus(folder, rng.permutation(count), num_atoms)


def as_order(corpus: Corpus, batch: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of the molecules of whole batches, for ever, in the one random order."""
    while True:
        for begin in range(0, len(corpus.order) - batch + 1, batch):
            yield corpus.order[begin : begin + batch]
