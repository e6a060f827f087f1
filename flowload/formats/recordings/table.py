"""Recordings that a run has opened: which window begins at a row, and how its pieces are read."""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import DataError
from flowload.formats.missing import tell_missing, usable_rows
from flowload.formats.zarr.chunks.grid import Piece
from flowload.formats.zarr.gaps import Gaps
from flowload.formats.zarr.opening import OpenArray
from flowload.formats.zarr.watch import watched

from .gaps import SeriesGaps

__all__ = ["Part", "RecordingTable"]

log = logging.getLogger("flowload")


class Part(NamedTuple):
    """A piece of one array's window: what is read in one go."""

    name: str
    piece: Piece


class RecordingTable:
    """Rows are moments, counted through all recordings. Several threads may read at once.

    Args:
        parts: the arrays of each recording by name.
        size: rows of a window.
        missing: what windows do that lack a chunk; see `windows`.

    Raises DataError where arrays of a recording differ in length, or recordings in their arrays.
    """

    layouts: Sequence[str] = ("windows",)
    groups: ClassVar[Sequence[str]] = ("recording",)

    def __init__(
        self, parts: Sequence[Mapping[str, OpenArray]], size: int, missing: Missing = "fill"
    ) -> None:
        self.parts = parts
        self.size = size
        self.on_missing = missing
        self.guard = watched(array.location for arrays in parts for array in arrays.values())
        self.lengths = [length_of(arrays) for arrays in parts]
        self.begins = [0, *accumulate(self.lengths)]
        for arrays in parts[1:]:
            check_alike(arrays, parts[0])
        self.keys = np.array([key_of(arrays) for arrays in parts], np.uint64)
        self.series = [
            SeriesGaps(self, [arrays[name].gaps for arrays in parts], missing) for name in parts[0]
        ]
        for name, route in self.routes.items():
            log.info("windows: %s is read by %s", name, route)

    def __len__(self) -> int:
        return self.begins[-1]

    @property
    def routes(self) -> dict[str, str]:
        """How each array is read; several ways where recordings differ."""
        return {
            name: " or ".join(dict.fromkeys(arrays[name].route for arrays in self.parts))
            for name in self.parts[0]
        }

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and hold the fill value."""
        return sum(array.missing for arrays in self.parts for array in arrays.values())

    def window(self, row: int) -> tuple[int, int, int]:
        """Number of the recording, first row in it, and rows of the window that begins at a row."""
        number = bisect_right(self.begins, row) - 1
        start = row - self.begins[number]
        return number, start, min(self.size, self.lengths[number] - start)

    def arrays(self) -> Fields:
        """Per key: the shape of one row of a window, and the dtype."""
        return {name: (array.grid.take[1:], array.dtype) for name, array in self.parts[0].items()}

    def pieces(self, row: int) -> list[Part]:
        """The window's pieces, one array after the other."""
        number, start, rows = self.window(row)
        found = self.parts[number].items()
        return [Part(name, piece) for name, array in found for piece in array.pieces(start, start + rows)]

    def read(self, row: int, piece: Part, out: Mapping[str, NDArray[Any]], call: Call) -> None:
        """Write a piece of the window that begins at a row. Raises DataError."""
        number, start, rows = self.window(row)
        array = self.parts[number][piece.name]
        array.read(piece.piece, start, out[piece.name], call.lease)
        if self.on_missing == "raise" and array.gaps.bands:
            self.check(array.gaps, start, rows)

    def check(self, gaps: Gaps, start: int, rows: int) -> None:
        """Raise DataError where a window lacks a chunk."""
        lost = gaps.mask(np.arange(start, start + rows))
        if lost is not None:
            row = start + int(lost.argmax())
            lack = gaps.lack(row)
            where = f"{lack.where}, row {row}"
            raise DataError(lack.reason, where=where, found=lack.found, wanted=lack.wanted)

    def settle(self, row: int, call: Call) -> bool:
        """Count the rows of a window that lack something, each once; see `Windowed`."""
        counted = np.zeros(self.window(row)[2], bool)
        for series in self.series:
            if not any(gaps.bands for gaps in series.gaps):
                continue
            lost = series.lost(row)
            if lost.any() and self.on_missing == "skip":
                call.drop(len(counted), "missing")
                return False
            if lost.any():
                number = self.window(row)[0]
                call.missing(int((lost & ~counted).sum()), series.gaps[number].lack())
                counted |= lost
        return True

    # --- windows as the samples of a batch: [B, size, ...]

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """Where a whole window begins, as no shorter one fits into a batch; and one that lacks nothing."""
        whole = np.array([self.window(row)[2] == self.size for row in rows.tolist()], bool)
        call.drop(int(len(rows) - whole.sum()), "shorter window")
        return usable_rows(self.on_missing, self.series, np.asarray(rows[whole], np.int64), call)

    def fields(self, layout: str, rows: Numbers | None = None) -> Fields:  # noqa: ARG002 - the same for all
        """Each array's window, and where it starts."""
        windows = {name: ((self.size, *shape), dtype) for name, (shape, dtype) in self.arrays().items()}
        return {**windows, "start": ((), np.dtype(np.int64))}

    def write(
        self,
        layout: str,  # noqa: ARG002 - there is one
        rows: Numbers,
        out: Mapping[str, NDArray[Any]],
        call: Call,
    ) -> Mapping[str, NDArray[Any]]:
        """Read the windows that begin at these rows."""
        for place, row in enumerate(rows.tolist()):
            own = {name: out[name][place] for name in self.parts[0]}
            out["start"][place] = self.window(row)[1]
            for piece in self.pieces(row):
                self.read(row, piece, own, call)
        tell_missing(self.series, rows, call)
        return {}

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:  # noqa: ARG002 - there is one
        """The recording that a row is of, by the names of its arrays' files."""
        which = np.searchsorted(self.begins, rows, side="right") - 1
        return np.asarray(self.keys[which], np.uint64)

    def describe(self, row: int) -> str:
        """Where a row lies, for messages: array and window."""
        number, start, rows = self.window(row)
        first = next(iter(self.parts[number].values()))
        return f"{first.location}: rows {start:,} to {start + rows:,}"

    def close(self) -> None:
        """Let go of the stores."""
        for arrays in self.parts:
            for array in arrays.values():
                array.close()
        self.guard.close()


def length_of(arrays: Mapping[str, OpenArray]) -> int:
    """Rows of a recording. Raises DataError where its arrays differ."""
    lengths = {name: array.grid.shape[0] for name, array in arrays.items()}
    first, wanted = next(iter(lengths.items()))
    for name, found in lengths.items():
        if found != wanted:
            raise DataError(
                "arrays of different length",
                where=arrays[name].location,
                found=f"{found:,} rows of {name!r}",
                wanted=f"the {wanted:,} of {first!r}",
            )
    return wanted


def check_alike(arrays: Mapping[str, OpenArray], wanted: Mapping[str, OpenArray]) -> None:
    """Raise DataError unless a recording has the arrays of the first, so that windows are alike."""
    own, other = ({n: (a.grid.take[1:], a.dtype) for n, a in each.items()} for each in (arrays, wanted))
    if own != other:
        where = next(iter(arrays.values())).location
        raise DataError("unlike recordings", where=where, found=in_words(own), wanted=in_words(other))


def in_words(fields: Fields) -> str:
    """Arrays for messages."""
    return ", ".join(f"{name} {dtype}{list(shape)} a row" for name, (shape, dtype) in fields.items())


def key_of(arrays: Mapping[str, OpenArray]) -> int:
    """64 bits of the last two names of each array's path: the same wherever the folder is mounted."""
    names = [
        "/".join(array.location.rstrip("/").replace("\\", "/").split("/")[-2:]) for array in arrays.values()
    ]
    digest = hashlib.blake2b("\n".join(names).encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
