"""Recordings that a run has opened: which window begins at a row, and how its pieces are read."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import DataError
from flowload.files.guard import Guard
from flowload.formats.missing import tell_missing, usable_rows

from .gaps import SeriesGaps
from .part import OpenPart, Piece, check_alike
from .series import Lacks

__all__ = ["RecordingTable"]

log = logging.getLogger("flowload")


class RecordingTable:
    """Rows are moments, counted through all recordings. Several threads may read at once.

    Args:
        parts: the recordings; are closed with it.
        size: rows of a window.
        missing: what windows do that lack a chunk; see `windows`.
        short: whether a recording may have fewer rows than a window.

    Raises DataError where recordings differ in their arrays, or are too short.
    """

    layouts: Sequence[str] = ("windows",)
    groups: ClassVar[Sequence[str]] = ("recording",)

    def __init__(
        self, parts: Sequence[OpenPart], size: int, missing: Missing = "fill", *, short: bool = True
    ) -> None:
        self.parts = parts
        self.size = size
        self.on_missing = missing
        self.guard = Guard()
        for path in dict.fromkeys(p for part in parts for each in part.series.values() for p in each.files):
            self.guard.watch(path)
        for part in parts:
            for each in part.series.values():
                self.guard.noted.update(getattr(each, "documents", {}))  # of zarr in a store
        self.lengths = [part.end - part.begin for part in parts]
        self.offsets = [part.begin for part in parts]
        self.begins = [0, *accumulate(self.lengths)]
        for part in parts[1:]:
            check_alike(part, parts[0])
        for part, length in zip(parts, self.lengths, strict=True):
            if length < size and not short:
                found = f"rows {part.begin:,} to {part.end:,}"
                wanted = f"at least the {size:,} of a window: raise the range, or lower size"
                raise DataError(
                    "rows too few for a window", where=part.first.location, found=found, wanted=wanted
                )
        self.keys = np.array([part.key() for part in parts], np.uint64)
        self.series = [
            SeriesGaps(self, [part.series[name].gaps for part in parts], missing)
            for name in parts[0].readers
            if all(name in part.series for part in parts)
        ]
        for name, route in self.routes.items():
            log.info("windows: %s is read by %s", name, route)

    def __len__(self) -> int:
        return self.begins[-1]

    @property
    def routes(self) -> dict[str, str]:
        """How each array is read; several ways where recordings differ."""
        return {
            name: " or ".join(dict.fromkeys(part.series[name].route for part in self.parts))
            for name in self.parts[0].series
        }

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and hold the fill value."""
        return sum(series.gaps.reads for part in self.parts for series in part.series.values())

    @property
    def most(self) -> int:
        """Rows of the largest window."""
        return min(self.size, max(self.lengths))

    @property
    def scratch(self) -> int:
        """Bytes that one call of `read` leases beside the window, at most."""
        return max(part.scratch for part in self.parts)

    def place(self, row: int) -> tuple[int, int]:
        """Number of the recording that a row is of, and the row in its arrays."""
        number = bisect_right(self.begins, row) - 1
        return number, row - self.begins[number] + self.parts[number].begin

    def window(self, row: int) -> tuple[int, int, int]:
        """Number of the recording, first row in its arrays, and rows of the window that begins at a row."""
        number, start = self.place(row)
        return number, start, min(self.size, self.parts[number].end - start)

    def arrays(self) -> Fields:
        """Per key: the shape of one row of a window, and the dtype."""
        return self.parts[0].fields

    def pieces(self, row: int) -> list[Piece]:
        """The window's pieces, one array after the other."""
        number, start, rows = self.window(row)
        return self.parts[number].pieces(start, start + rows)

    def read(self, row: int, piece: Piece, out: NamedArrays, call: Call) -> None:
        """Write a piece of the window that begins at a row. Raises DataError."""
        number, start, rows = self.window(row)
        part = self.parts[number]
        part.read(piece, start, out, call.lease)
        gaps = part.series[piece.name].gaps
        if self.on_missing == "raise" and gaps.any:
            self.check(gaps, start, rows)

    def check(self, gaps: Lacks, start: int, rows: int) -> None:
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
            if not any(gaps.any for gaps in series.gaps):
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

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Read the windows that begin at these rows."""
        for place, row in enumerate(rows.tolist()):
            own = {name: out[name][place] for name in self.arrays()}
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
        return f"{self.parts[number].first.location}: rows {start:,} to {start + rows:,}"

    def close(self) -> None:
        """Let go of the stores."""
        for part in self.parts:
            part.close()
        self.guard.close()
