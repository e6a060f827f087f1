"""Finding the chunks again that references to records name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.blocks import CHUNK, Chunks, Frames, SourceFile
from flowload.errors import DataError
from flowload.files.objects.bring import opening
from flowload.files.regular import translated
from flowload.stages.inner_call import InnerCall

__all__ = ["RecalledIndexes", "Strict", "places_of"]


class RecalledIndexes:
    """Indexes of files that records are read from again: each file is indexed once, by one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.locks: dict[str, threading.Lock] = {}
        self.tables: dict[str, NDArray[np.void]] = {}

    def table(self, form: ChunkFormat, path: str) -> NDArray[np.void]:
        """The chunks of a file. Raises DataError."""
        with self.lock:
            lock = self.locks.setdefault(path, threading.Lock())
        with lock:
            if path not in self.tables:
                with translated(path, missing=None), opening(path):
                    self.tables[path] = form.index(path)
            return self.tables[path]

    def chunks(
        self, form: ChunkFormat, sources: Sequence[SourceFile], origin: NDArray[np.void]
    ) -> tuple[NDArray[np.int64], Chunks]:
        """The chunks of sorted references, each once, and the place of each reference's among them."""
        new = (np.diff(origin["source"], prepend=-1) != 0) | (np.diff(origin["chunk"], prepend=-1) != 0)
        found = np.empty(int(new.sum()), CHUNK)
        for row, (source, chunk) in enumerate(origin[["source", "chunk"]][new].tolist()):
            path = sources[source].path
            table = self.table(form, path)
            if chunk >= len(table):
                raise DataError(
                    "the records that a state names are not in the file",
                    where=path,
                    found=f"{len(table):,} chunks",
                    wanted=f"chunk {chunk:,}",
                )
            found[row] = table[chunk]
            found[row]["source"] = source
        found["use"], found["cap"] = 0, -1
        return np.cumsum(new) - 1, Chunks(form, tuple(sources), found)

    def clear(self) -> None:
        """Let go of them."""
        self.tables.clear()


def places_of(
    frames: Frames, chunks: NDArray[np.int64], records: NDArray[np.int32]
) -> NDArray[np.int64] | None:
    """Which rows of inflated chunks these records of the k-th are; None: one is not there."""
    origin = frames.origin
    new = (np.diff(origin["source"], prepend=-1) != 0) | (np.diff(origin["chunk"], prepend=-1) != 0)
    firsts = np.append(np.flatnonzero(new), len(origin))
    if len(firsts) <= int(chunks[-1]) + 1:
        return None
    rows: NDArray[np.int64] = firsts[chunks] + records.astype(np.int64)
    return rows if bool((rows < firsts[chunks + 1]).all()) else None


class Strict(InnerCall):
    """A call in which bad data raise, whatever the stage does with them otherwise, and nothing is counted."""

    def drop(self, count: int, reason: str) -> None:
        """Ignored: it was counted when the records were taken first."""

    def reject(self, error: DataError, count: int = 1) -> None:  # noqa: ARG002 - one is enough
        """Raise the error, whatever the stage does with bad data."""
        raise error

    def missing(self, count: int, what: DataError) -> None:
        """Ignored: it was counted when the records were taken first."""

    def opened(self, count: int) -> None:
        """Ignored: it was counted when the records were taken first."""
