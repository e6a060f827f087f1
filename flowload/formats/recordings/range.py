"""Rows of a recording at once, without a graph, by the same readers as windows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.files.guard import Guard

from .part import OpenPart, Piece
from .series import Lacks

__all__ = ["RangeReader"]

log = logging.getLogger("flowload")


class RangeReader:
    """Reads ranges of rows of an open recording; a context. Several threads may ask at once.

    Args:
        part: is closed with it.
        workers: pieces that are read at once.
        missing: "fill" or "raise".
    """

    def __init__(self, part: OpenPart, workers: int, missing: str) -> None:
        self.part = part
        self.workers = workers
        self.missing = missing
        self.told: set[str] = set()
        self.guard = Guard()
        for series in part.series.values():
            for path in series.files:
                self.guard.watch(path)

    def __enter__(self) -> RangeReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, begin: int, end: int) -> dict[str, NDArray[Any]]:
        """Rows `begin` up to `end` of every key, each array C-contiguous and its own. Raises DataError."""
        had, rows = self.part.end, end - begin
        if not 0 <= begin < end <= had:
            where, found = self.part.first.location, f"{had:,} rows"
            raise DataError("no such rows", where=where, found=found, wanted=f"{begin:,} to {end:,}")
        out = {key: np.empty((rows, *shape), dtype) for key, (shape, dtype) in self.part.fields.items()}
        pieces = self.part.pieces(begin, end)

        def read(piece: Piece) -> None:
            self.part.read(piece, begin, out, scratch)

        with self.guard, ThreadPoolExecutor(max(1, min(self.workers, len(pieces))), "read-range") as threads:
            asked = [threads.submit(read, piece) for piece in pieces]
            try:
                for done in asked:
                    done.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)  # nobody wants the rest
                raise
        for series in self.part.series.values():
            self.look(series.gaps, begin, end)
        return out

    def look(self, gaps: Lacks, begin: int, end: int) -> None:
        """Say, once for each array, that rows hold the fill value; or raise DataError."""
        lost = gaps.mask(np.arange(begin, end)) if gaps.any else None
        if lost is None:
            return
        if self.missing == "raise":
            row = begin + int(lost.argmax())
            lack = gaps.lack(row)
            where = f"{lack.where}, row {row}"
            raise DataError(lack.reason, where=where, found=lack.found, wanted=lack.wanted)
        lack = gaps.lack()
        if lack.where not in self.told:
            self.told.add(lack.where)
            log.warning("%s; rows hold the fill value", lack)

    def close(self) -> None:
        """Let go of files."""
        self.part.close()
        self.guard.close()


def scratch(size: int) -> Bytes:
    """Memory that goes when a piece is read."""
    return np.empty(size, np.uint8)
