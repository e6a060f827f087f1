"""The games that everybody works on, found, counted, and in the page cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

import flowload as fl
from flowload.blocks import Chunks
from flowload.formats.lc0.format import Lc0
from flowload.formats.lc0.records import RECORDS
from flowload.stages.chunks.source_table import concatenate

__all__ = ["FORMAT", "LIMIT", "Corpus", "load_corpus"]

FORMAT = Lc0()
LIMIT = 64 << 20  #: bytes of a chunk
SLACK = 64  #: bytes that an inflater may want beyond the end


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Games by reference."""

    chunks: Chunks
    frames: int
    nbytes: int  #: decompressed
    largest: int  #: bytes of the largest chunk, decompressed
    plain: bool  #: version 6 and input format 1 throughout: what the rivals' code knows

    @property
    def record(self) -> float:
        """Mean bytes of a record on disk."""
        return self.nbytes / self.frames

    @contextmanager
    def descriptors(self) -> Iterator[list[int]]:
        """The files, open, by number of the source."""
        opened = [os.open(source.path, os.O_RDONLY) for source in self.chunks.sources]
        try:
            yield opened
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def compressed(self) -> list[tuple[bytes, int]]:
        """Every chunk's gzip data, and its decompressed size as far as the file tells."""
        with self.descriptors() as fds:
            return [
                (
                    os.pread(fds[row["source"]], int(row["size"]), int(row["offset"])),
                    max(1, int(row["inflated"])),
                )
                for row in self.chunks.table
            ]


def load_corpus(data: str) -> Corpus:
    """Find the games and inflate each once: the index only claims sizes. Raises what flowload raises."""
    with (fl.discover(data) >> fl.read("lc0")).iterate() as blocks:
        chunks = concatenate(list(blocks))
    frames = nbytes = largest = 0
    plain = bool(chunks.table["gzip"].all())
    out = np.empty(SLACK, np.uint8)
    with Corpus(chunks=chunks, frames=1, nbytes=1, largest=0, plain=False).descriptors() as fds:
        for row in chunks.table:
            size = max(int(row["inflated"]), 0) + SLACK
            out = out if size <= len(out) else np.empty(size, np.uint8)
            fd, where = fds[row["source"]], chunks.sources[row["source"]].path
            inflated, stride = FORMAT.inflate(fd, row, out, limit=LIMIT, where=where)
            frames += len(inflated) // stride
            nbytes += len(inflated)
            largest = max(largest, len(inflated))
            plain = plain and stride == RECORDS[6].itemsize and is_plain(inflated)
    return Corpus(chunks=chunks, frames=frames, nbytes=nbytes, largest=largest + SLACK, plain=plain)


def is_plain(inflated: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    """Whether all records of a chunk are of version 6 and input format 1."""
    records = inflated.view(RECORDS[6])
    return bool((records["version"] == 6).all() and (records["input_format"] == 1).all())
