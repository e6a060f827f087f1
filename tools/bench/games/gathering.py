"""What the rivals run: calls of numpy for a whole batch, or one of our kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.kernels.positions import FEATURES, gather_rows
from flowload.kernels.streaming import is_large
from flowload.records import WRITTEN

__all__ = ["Gather", "KernelGather"]


class Gather:
    """Rows of the uint8 files as float32, and their labels; opened by whoever uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
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


class KernelGather(Gather):
    """The same by our kernel, into new memory."""

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """One call."""
        arrays = np.empty((len(rows), FEATURES), np.float32), np.empty(len(rows), np.int64)
        gather_rows(*self.opened(), rows, WRITTEN, *arrays, is_large(arrays[0].nbytes))
        return dict(zip(("inputs", "outputs"), arrays, strict=True))
