"""Molecules by plain numpy, one after the other, as published loaders make batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.bench.measuring.loader import Batches

from .corpus import Corpus, as_order
from .settings import Settings

__all__ = ["Molecules", "constant", "open_loop"]


class Molecules:
    """The arrays of a folder by plain numpy; opened by whoever uses it."""

    def __init__(self, corpus: Corpus) -> None:
        self.folder, self.slots = corpus.folder, corpus.num_atoms
        self.arrays: dict[str, NDArray[Any]] = {}

    def opened(self) -> dict[str, NDArray[Any]]:
        """Memory-mapped, as plain arrays."""
        if not self.arrays:
            offsets = np.load(self.folder / "offsets.npy")
            shapes = {"Z_pack.int32": (), "R_pack.f32": (3,), "F_pack.f32": (3,), "E.f64": ()}
            for name, shape in shapes.items():
                kind = (
                    {"i": np.int32, "f": np.float32}[name.split(".")[1][0]] if name != "E.f64" else np.float64
                )
                mapped = np.memmap(self.folder / name, kind, "r")
                self.arrays[name[0]] = np.asarray(mapped).reshape(-1, *shape)
            self.arrays["offsets"] = offsets
        return self.arrays

    def pad(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """A batch without pairs, molecule by molecule, as published loaders make it."""
        arrays, count, slots = self.opened(), len(rows), self.slots
        offsets = arrays["offsets"]
        out: dict[str, NDArray[Any]] = {
            "Z": np.zeros((count, slots), np.int32),
            "R": np.zeros((count, slots, 3), np.float32),
            "F": np.zeros((count, slots, 3), np.float32),
            "E": arrays["E"][rows],
            "N": np.zeros(count, np.int32),
            "Qtot": np.zeros(count),
        }
        for place, row in enumerate(rows):
            begin, end = offsets[row], offsets[row + 1]
            for key in "ZRF":
                out[key][place, : end - begin] = arrays[key][begin:end]
            out["N"][place] = end - begin
        return out


def constant(count: int, slots: int) -> dict[str, NDArray[Any]]:
    """Pairs and segments, which a good loop makes once."""
    dst = np.repeat(np.arange(slots, dtype=np.int32), slots - 1)
    src = np.array([j for i in range(slots) for j in range(slots) if j != i], np.int32)
    begins = np.repeat(np.arange(count, dtype=np.int32) * slots, len(dst))
    segments = np.repeat(np.arange(count, dtype=np.int32), slots)
    return {
        "dst_idx": np.tile(dst, count) + begins,
        "src_idx": np.tile(src, count) + begins,
        "batch_segments": segments,
    }


@contextmanager
def open_loop(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """One thread, one molecule after the other; pair indices are made once."""
    molecules, pairs = Molecules(corpus), constant(settings.batch, corpus.num_atoms)
    yield ({**molecules.pad(rows), **pairs} for rows in as_order(corpus, settings.batch))
