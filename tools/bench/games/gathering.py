"""What the rivals run: calls of numpy for a whole batch, or one of our kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN
from flowload.kernels.games.positions import FEATURES, gather_rows
from flowload.kernels.streaming import is_large
from tools.bench.measuring.ring import Ring, places

__all__ = ["Gather", "KernelGather", "RingGather"]

Arrays = dict[str, NDArray[Any]]


class Gather:
    """Rows of the uint8 files as float32, and their labels, in new memory; opened by whoever uses it.

    For processes: what they make is copied to the reader anyway.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def __call__(self, rows: NDArray[np.int64]) -> Arrays:
        """Two calls of numpy each; none of them holds the GIL for long."""
        inputs, outputs = self.opened()
        return {
            "inputs": np.take(inputs, rows, axis=0).astype(np.float32),
            "outputs": np.take(outputs, rows).astype(np.int64),
        }

    def opened(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The files, memory-mapped."""
        if self.arrays is None:
            inputs, outputs = (
                np.load(self.folder / f"positions_{name}.npy", mmap_mode="c")
                for name in ("inputs", "outputs")
            )
            self.arrays = np.asarray(inputs), np.asarray(outputs)
        return self.arrays


class RingGather(Gather):
    """The same into memory that is used again; for threads.

    Args:
        folder: of the uint8 files.
        size: rows of a batch.
        threads: that call at once.
    """

    def __init__(self, folder: Path, size: int, threads: int) -> None:
        super().__init__(folder)
        self.ring = Ring(places(threads), lambda: written_once(size))

    def __call__(self, rows: NDArray[np.int64]) -> Arrays:
        """Without a byte of new memory but for the labels' bytes."""
        inputs, outputs = self.opened()
        out = self.ring.next()
        np.take(inputs, rows, axis=0, out=out["bytes"], mode="clip")  # other modes copy once more
        np.copyto(out["inputs"], out["bytes"])
        np.copyto(out["outputs"], np.take(outputs, rows))
        return {key: out[key] for key in ("inputs", "outputs")}


class KernelGather(RingGather):
    """By our kernel: what a rival's threads would make of it."""

    def __call__(self, rows: NDArray[np.int64]) -> Arrays:
        """One call."""
        out = self.ring.next()
        arrays = out["inputs"], out["outputs"]
        gather_rows(*self.opened(), rows, WRITTEN, *arrays, is_large(arrays[0].nbytes))
        return dict(zip(("inputs", "outputs"), arrays, strict=True))


def written_once(size: int) -> Arrays:
    """Memory of a batch whose pages are there already."""
    return {
        "inputs": np.ones((size, FEATURES), np.float32),
        "outputs": np.ones(size, np.int64),
        "bytes": np.ones((size, FEATURES), np.uint8),
    }
