"""One recording that a run has opened: its arrays, which rows of them are used, and what each key has."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from flowload.abc.operators import NamedArrays
from flowload.abc.records import Fields
from flowload.errors import DataError

from .selection.extract import Extract
from .series import Lease, Series

__all__ = ["OpenPart", "Piece", "check_alike"]


log = logging.getLogger("flowload")


class Piece(NamedTuple):
    """A piece of one array's window: what is read in one go."""

    name: str
    piece: Any


class OpenPart:
    """See the module. Several threads may read at once.

    Args:
        series: the arrays by name; are closed with it.
        keys: by key of a window, the array and what of it.
        rows: first row that is used, and behind the last; None: all.
        untold: warnings, of which each is told once, when the first rows are read.

    Raises DataError where arrays differ in length, or have no such rows.
    """

    def __init__(
        self,
        series: Mapping[str, Series],
        keys: Mapping[str, tuple[str, Extract]],
        rows: tuple[int, int | None] | None,
        untold: Sequence[str] = (),
    ) -> None:
        self.untold = list(untold)
        self.series = series
        self.keys = {key: name for key, (name, _) in keys.items()}
        self.extracts = {key: extract for key, (_, extract) in keys.items()}
        self.begin, self.end = rows_of(series, rows)
        self.readers = {
            name: series[name].reader({key: extract for key, (own, extract) in keys.items() if own == name})
            for name in dict.fromkeys(self.keys.values())
        }

    @property
    def first(self) -> Series:
        """The first of its arrays."""
        return next(iter(self.series.values()))

    @property
    def fields(self) -> Fields:
        """Per key: the shape of one row of a window, and the dtype."""
        return {key: (extract.shape, extract.dtype) for key, extract in self.extracts.items()}

    @property
    def scratch(self) -> int:
        """Bytes that one call of `read` leases beside the window, at most."""
        return max(reader.scratch for reader in self.readers.values())

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """The window of rows `start` to `stop`, one array after the other."""
        return [
            Piece(name, piece)
            for name, reader in self.readers.items()
            for piece in reader.pieces(start, stop)
        ]

    def read(self, piece: Piece, start: int, out: NamedArrays, lease: Lease) -> None:
        """Write a piece of the window from row `start` on. Raises DataError."""
        with suppress(IndexError):  # another thread may have told it
            while self.untold:
                log.warning("windows: %s", self.untold.pop())
        self.readers[piece.name].read(piece.piece, start, out, lease)

    def key(self) -> int:
        """64 bits of the last two names of each array's path: the same wherever the folder is mounted."""
        names = [
            "/".join(series.location.rstrip("/").replace("\\", "/").split("/")[-2:])
            for series in self.series.values()
        ]
        digest = hashlib.blake2b("\n".join(names).encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "little")

    def close(self) -> None:
        """Let go of the files."""
        for series in self.series.values():
            series.close()


def rows_of(series: Mapping[str, Series], rows: tuple[int, int | None] | None) -> tuple[int, int]:
    """The rows that are used. Raises DataError where arrays differ in length, or have no such rows."""
    lengths = {name: each.shape[0] for name, each in series.items()}
    first, wanted = next(iter(lengths.items()))
    for name, found in lengths.items():
        if found != wanted:
            raise DataError(
                "arrays of different length",
                where=series[name].location,
                found=f"{found:,} rows of {name!r}",
                wanted=f"the {wanted:,} of {first!r}",
            )
    begin, end = (0, wanted) if rows is None else (rows[0], wanted if rows[1] is None else rows[1])
    if begin >= wanted or end > wanted:
        where, asked = series[first].location, f"rows=({begin}, {end})"
        raise DataError("no such rows", where=where, found=f"{wanted:,} rows", wanted=asked)
    return begin, end


def check_alike(part: OpenPart, wanted: OpenPart) -> None:
    """Raise DataError unless a recording has the windows of the first."""
    if part.fields != wanted.fields:
        found, other = in_words(part.fields), in_words(wanted.fields)
        raise DataError("unlike recordings", where=part.first.location, found=found, wanted=other)


def in_words(fields: Fields) -> str:
    """Arrays for messages."""
    return ", ".join(f"{name} {dtype}{list(shape)} a row" for name, (shape, dtype) in fields.items())
