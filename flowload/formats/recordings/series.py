"""What a recording consists of, in whatever kind of file: arrays over time, read some rows at a time.

A `Kind` knows files and opens what they hold as `Series`; a table of windows knows no more of them. Zarr has
a series of its own, which reads chunks; `BoxSeries` serves every library that reads a box of an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, NamedArrays
from flowload.abc.records import Numbers
from flowload.errors import DataError

from .selection.extract import Extract
from .selection.units import Units

__all__ = ["Kind", "Lacks", "Lease", "NoGaps", "Options", "RowReader", "Series"]

Lease: TypeAlias = Callable[[int], Bytes]  #: gives scratch memory of so many bytes
Options: TypeAlias = Mapping[str, Any]  #: for the file system of a URL


class Lacks(Protocol):
    """Which rows of an array were never stored, and hold a fill value; see `formats.zarr.gaps.Gaps`."""

    reads: int  #: of chunks that do not exist

    @property
    def any(self) -> bool:
        """Whether something is known to be missing."""

    def look(self, rows: Numbers) -> None:
        """Find out for these rows. Raises DataError."""

    def mask(self, rows: Numbers) -> NDArray[np.bool_] | None:
        """Which of these rows are known to lack something; None: none of them."""

    def lack(self, row: int | None = None) -> DataError:
        """What is missing, for a message; of one row, where that is named."""


class NoGaps:
    """Of arrays of which everything is stored."""

    reads = 0
    any = False

    def look(self, rows: Numbers) -> None:
        """Nothing to look for."""

    def mask(self, rows: Numbers) -> None:  # noqa: ARG002 - none of them
        """None of them."""
        return

    def lack(self, row: int | None = None) -> DataError:
        """Never asked for: nothing is missing."""
        raise NotImplementedError(f"row {row} lacks nothing")


class RowReader(Protocol):
    """Reads the same extracts of an array for one window after the other; several threads may at once."""

    @property
    def scratch(self) -> int:
        """Bytes, about, that one call of `read` leases beside the window."""

    def pieces(self, start: int, stop: int) -> Sequence[Any]:
        """The window of rows `start` to `stop`, cut into calls of `read` of about equal work."""

    def read(self, piece: Any, start: int, out: NamedArrays, lease: Lease) -> None:
        """Write a piece of the window from row `start` on to its place in the arrays, by key.

        Releases the GIL. Raises DataError that names file, place, found and wanted.
        """


class Series(Protocol):
    """An open array (T, ...) of numbers."""

    @property
    def location(self) -> str:
        """File, and array in it, for messages."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Time first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """In this machine's byte order."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what is read, and decoded, as a whole; ones where any element can be read by itself."""

    @property
    def route(self) -> str:
        """How it is read: a short text for messages, such as "pread" or "h5py 3.12"."""

    @property
    def units(self) -> Units | None:
        """What makes a quantity of its numbers; None: nothing is said of that."""

    @property
    def gaps(self) -> Lacks:
        """What was never stored."""

    @property
    def files(self) -> Sequence[Path]:
        """Those on a local disk that must stay as they are while a run reads."""

    def reader(self, extracts: Mapping[str, Extract]) -> RowReader:
        """What reads these, by key; each chunk is read once for all of them. Called once."""

    def close(self) -> None:
        """Let go of files."""


class Kind(Protocol):
    """A kind of file that recordings lie in. Stateless; opened anew by each run."""

    @property
    def name(self) -> str:
        """A word for messages, such as "zarr"."""

    def knows(self, location: str) -> bool:
        """Whether this is such a file or folder, by its name or a look at its first bytes. Never raises."""

    def arrays(self, location: str, options: Options) -> Sequence[str]:
        """The arrays that a selection can name. Raises DataError."""

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> Series:
        """Open one of them; None: the recording itself, where that is clear.

        Raises NoDataError that lists the arrays for one that is not there, DataError, and MissingExtra.

        Args:
            location: path or URL.
            array: its name.
            options: for the file system of a URL.
            estimate: only shape and dtype are wanted: nothing will be read.
        """
