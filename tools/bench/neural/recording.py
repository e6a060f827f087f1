"""A recording in a temporary folder, raw and as zstd, that the neural benchmark reads windows of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore

__all__ = ["Corpus", "recording"]


@dataclass(frozen=True)
class Corpus:
    """Where the arrays are, (rows, columns) float32, and how windows are cut from them."""

    folder: Path
    rows: int
    columns: int
    size: int  #: rows of a window
    chunk: int  #: rows of a chunk

    def path(self, codec: str) -> Path:
        """The array of a codec."""
        return self.folder / f"{codec}.zarr"

    @property
    def window_bytes(self) -> int:
        """Of one window."""
        return self.size * self.columns * 4

    def start(self, number: int) -> int:
        """First row of a window: one after the other, round and round."""
        return number % (self.rows // self.size) * self.size


@contextmanager
def recording(rows: int, columns: int, size: int, chunk: int) -> Iterator[Corpus]:
    """Write it; it goes with the context."""
    with tempfile.TemporaryDirectory(prefix="flowload-bench-") as folder:
        corpus = Corpus(Path(folder), rows, columns, size, chunk)
        for codec, compressors in (("raw", None), ("zstd", "auto")):
            write(corpus, codec, compressors)
        yield corpus


def write(corpus: Corpus, codec: str, compressors: Any) -> None:
    """Membrane voltages: a leaky walk in steps of an analogue-to-digital converter."""
    array = zarr.create_array(
        LocalStore(corpus.path(codec)),
        shape=(corpus.rows, corpus.columns),
        chunks=(corpus.chunk, corpus.columns),
        dtype="f4",
        compressors=compressors,
    )
    rng = np.random.default_rng(0)
    voltage = np.zeros(corpus.columns, np.float32)
    for begin in range(0, corpus.rows, corpus.chunk):
        part = rng.standard_normal((corpus.chunk, corpus.columns), np.float32)
        for row in part:
            voltage *= np.float32(0.98)
            voltage += row
            row[:] = np.round(voltage * 16) / 16
        array[begin : begin + corpus.chunk] = part
