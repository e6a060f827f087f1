"""Chunks of a zarr array that do not exist: their rows hold the fill value, and are counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.formats.zarr.chunks.grid import Grid
from flowload.formats.zarr.chunks.places import Chunks, Coords

__all__ = ["Gaps"]

#: Chunks that are looked for to say how many are missing, once, when the first is: 0.15 s of files.
CENSUS = 1 << 16
TOLD = 5  #: that a message names


class Gaps:
    """Which chunks of an array are not there. Several threads may tell and ask at once.

    Args:
        location: of the array, for messages.
        grid: its chunks, those inside of shards where it has shards.
        chunks: looks for them, where somebody asks before a read.
        fill: what their rows hold.
    """

    def __init__(self, location: str, grid: Grid, chunks: Chunks, fill: Any) -> None:
        self.location = location
        self.grid = grid
        self.chunks = chunks
        self.fill = fill
        self.reads = 0  #: that found no chunk
        #: chunks beside each other that somebody reads
        self.needed: Sequence[Coords] = list(product(*map(range, grid.across)))
        self.bands: dict[int, set[Coords]] = {}  #: what is missing, by its place along the first axis
        self.lock = threading.Lock()
        self.census: str | None = None

    @property
    def any(self) -> bool:
        """Whether some chunk is known to be missing."""
        return bool(self.bands)

    def note(self, coords: Coords, *, read: bool = True) -> None:
        """A chunk does not exist that was to be read, or was only looked for."""
        with self.lock:
            self.reads += read
            self.bands.setdefault(coords[0], set()).add(coords)

    def found(self, coords: Coords) -> None:
        """Note that a chunk exists (it may have been written since the last look)."""
        if not self.bands:
            return
        with self.lock:
            band = self.bands.get(coords[0])
            if band is not None:
                band.discard(coords)
                if not band:
                    del self.bands[coords[0]]

    def forget(self) -> None:
        """What was found out so far was found for another purpose."""
        with self.lock:
            self.reads = 0
            self.bands.clear()

    def look(self, rows: Numbers) -> None:
        """Note which chunks of these rows do not exist. Raises DataError."""
        bands = np.unique(rows // self.grid.chunks[0]).tolist()
        coords = [(band, *side) for band in bands for side in self.needed]
        for each, there in zip(coords, self.which(coords), strict=True):
            if there:
                self.found(each)
            else:
                self.note(each, read=False)

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """Of each chunk, whether it exists. Raises DataError."""
        try:
            return self.chunks.which(coords)
        except OSError as error:
            raise DataError("unreadable chunk", where=self.location, found=str(error)) from error

    def mask(self, rows: Numbers) -> NDArray[np.bool_] | None:
        """Which of these rows are of a chunk that is known to be missing; None: none of them."""
        if not self.bands:
            return None
        with self.lock:
            gone = np.fromiter(self.bands, np.int64, len(self.bands))
        lost = np.isin(rows // self.grid.chunks[0], gone)
        return lost if lost.any() else None

    def lack(self, row: int | None = None) -> DataError:
        """What is missing, for a message; the chunk of one row, where that is named."""
        if row is not None:
            with self.lock:
                gone = sorted(self.bands.get(row // self.grid.chunks[0], ()))
            where = f"{self.location}: chunk {self.names(gone)}"
            wanted = f'it, or missing="fill", which gives {self.fill} for it'
            return DataError("missing", where=where, found="no such chunk", wanted=wanted)
        if self.census is None:
            self.census = self.count()
        return DataError("missing", where=self.location, found=self.census, wanted="all of them")

    def count(self) -> str:
        """How many chunks are missing, and which, in words."""
        total = prod(self.grid.every)
        if self.chunks.near and total <= CENSUS:
            coords = list(product(*map(range, self.grid.every)))
            gone = [each for each, there in zip(coords, self.which(coords), strict=True) if not there]
            return f"no chunk {self.names(gone)}: {len(gone):,} of {total:,} are not there"
        with self.lock:
            known = sorted(each for band in self.bands.values() for each in band)
        return f"no chunk {self.names(known)} so far, of {total:,}"

    def names(self, gone: Sequence[Coords]) -> str:
        """The first few."""
        return ", ".join(map(self.chunks.name, gone[:TOLD])) + (", ..." if len(gone) > TOLD else "")
