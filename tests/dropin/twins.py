"""Slow, obvious twins of what existing scripts import, written from their documents: no word of flowload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Molecules", "chunk_params", "needed", "write_molecules"]


def write_molecules(folder: Path, sizes: Sequence[int], seed: int = 0, charges: bool = True) -> Path:
    """A folder of packed molecules of these sizes; energies tell them apart."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, atoms = np.random.default_rng(seed), int(np.sum(sizes))
    np.save(folder / "offsets.npy", np.cumsum([0, *sizes]).astype(np.int64))
    np.save(folder / "n_atoms.npy", np.array(sizes, np.int32))
    rng.integers(1, 9, atoms).astype(np.int32).tofile(folder / "Z_pack.int32")
    rng.normal(size=(atoms, 3)).astype(np.float32).tofile(folder / "R_pack.f32")
    rng.normal(size=(atoms, 3)).astype(np.float32).tofile(folder / "F_pack.f32")
    np.arange(len(sizes), dtype=np.float64).tofile(folder / "E.f64")
    if charges:
        rng.integers(-1, 2, len(sizes)).astype(np.float64).tofile(folder / "Qtot.f64")
    return folder


class Molecules:
    """The published folder, read molecule by molecule."""

    def __init__(self, folder: Path) -> None:
        self.offsets, self.n_atoms = np.load(folder / "offsets.npy"), np.load(folder / "n_atoms.npy")
        self.z = np.fromfile(folder / "Z_pack.int32", np.int32)
        self.r = np.fromfile(folder / "R_pack.f32", np.float32).reshape(-1, 3)
        self.f = np.fromfile(folder / "F_pack.f32", np.float32).reshape(-1, 3)
        self.e = np.fromfile(folder / "E.f64", np.float64)
        charges = folder / "Qtot.f64"
        self.q = np.fromfile(charges, np.float64) if charges.exists() else np.zeros(len(self.e))

    def batch(self, rows: Sequence[int], slots: int | None, physnet: bool) -> dict[str, NDArray[Any]]:
        """One batch, padded with zeros."""
        slots = max(int(self.n_atoms[row]) for row in rows) if slots is None else slots
        made: dict[str, NDArray[Any]] = {
            "Z": np.zeros((len(rows), slots), np.int32),
            "R": np.zeros((len(rows), slots, 3), np.float32),
            "F": np.zeros((len(rows), slots, 3), np.float32),
            "E": np.array([self.e[row] for row in rows]),
            "Qtot": np.array([self.q[row] for row in rows]),
        }
        for place, row in enumerate(rows):
            begin, end = self.offsets[row], self.offsets[row + 1]
            for key, packed in (("Z", self.z), ("R", self.r), ("F", self.f)):
                made[key][place, : end - begin] = packed[begin:end]
        counts = [int(self.n_atoms[row]) for row in rows]
        if not physnet:
            return {**made, "mask": np.array([[slot < n for slot in range(slots)] for n in counts])}
        pairs = [(i, j) for i in range(slots) for j in range(slots) if i != j]
        return {
            **made,
            "N": np.array(counts, np.int32),
            "dst_idx": np.array([i for i, _ in pairs], np.int32),
            "src_idx": np.array([j for _, j in pairs], np.int32),
            "batch_segments": np.array([b for b in range(len(rows)) for _ in range(slots)], np.int32),
        }

    def unshuffled(self, indices: Sequence[int], bucket: int, size: int) -> Iterator[list[int]]:
        """Batches of an epoch in the order of the indices: buckets, each sorted by size, cut to batches."""
        order: list[int] = []
        for start in range(0, len(indices), bucket):
            order += sorted(indices[start : start + bucket], key=lambda row: int(self.n_atoms[row]))
        for start in range(0, len(order), size):
            yield order[start : start + size]


def chunk_params(total: int, chunk: int, batch: int, passes: int) -> tuple[int, int, int]:
    """Chunks an epoch, batches a chunk, batches an epoch."""
    batches = (total // batch) * passes
    if total < chunk:
        return passes, total // batch, batches
    return batches // (chunk // batch), chunk // batch, batches


def needed(indices: Sequence[int], indptr: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The columns of the chosen rows, and those rows themselves."""
    found = set(chosen)
    for row in chosen:
        found.update(indices[indptr[row] : indptr[row + 1]])
    return sorted(found)
