"""What windows of a recording lack: chunks of its arrays that do not exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from flowload.abc.records import Missing, Numbers
from flowload.errors import DataError
from flowload.formats.missing import Mask

from .series import Lacks

__all__ = ["SeriesGaps", "Spans"]


class Spans(Protocol):
    """Says where windows lie."""

    def window(self, row: int) -> tuple[int, int, int]:
        """See `Windowed`."""


class SeriesGaps:
    """The gaps of one array, in all recordings; its rows are those at which windows begin.

    Args:
        spans: the table.
        gaps: of the array in each recording.
        missing: what windows do that lack something.
    """

    def __init__(self, spans: Spans, gaps: Sequence[Lacks], missing: Missing) -> None:
        self.spans = spans
        self.gaps = gaps
        self.missing = missing

    def absent(self, rows: Numbers) -> Mask | None:
        """Which windows lack a chunk, as far as reads have seen; looked for where such are not given."""
        if self.missing == "fill" and not any(gaps.any for gaps in self.gaps):
            return None
        return np.array([self.lost(row).any() for row in rows.tolist()], bool)

    def lost(self, row: int) -> Mask:
        """Which rows of the window that begins at a row lack a chunk."""
        number, start, count = self.spans.window(row)
        own = np.arange(start, start + count)
        if self.missing != "fill":
            self.gaps[number].look(own)
        lost = self.gaps[number].mask(own)
        return np.zeros(count, bool) if lost is None else lost

    def lack(self, row: int | None = None) -> DataError:
        """What is missing; of the window that begins at a row, where one is named."""
        if row is None:
            return next((gaps for gaps in self.gaps if gaps.any), self.gaps[0]).lack()
        number, start, _ = self.spans.window(row)
        return self.gaps[number].lack(start + int(self.lost(row).argmax()))
