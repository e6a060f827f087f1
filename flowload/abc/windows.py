"""Tables of recordings: what windows of rows are cut from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from .operators import Call, NamedArrays
from .records import Fields, LayoutTable

__all__ = ["Windowed"]


@runtime_checkable
class Windowed(LayoutTable, Protocol):
    """A table of recordings: row r is a moment, at which a window of up to `size` rows may begin.

    The rows of a recording follow those of the recordings before it.
    """

    @property
    def size(self) -> int:
        """Rows of a window; a recording that is shorter is one window."""

    @property
    def lengths(self) -> Sequence[int]:
        """Rows of each recording."""

    @property
    def offsets(self) -> Sequence[int]:
        """The first row that is used of each recording, in its arrays."""

    @property
    def routes(self) -> Mapping[str, str]:
        """How each array is read, such as "pread", by its name."""

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and hold the fill value."""

    @property
    def most(self) -> int:
        """Rows of the largest window."""

    @property
    def scratch(self) -> int:
        """Bytes that one call of `read` leases beside the window, at most."""

    def window(self, row: int) -> tuple[int, int, int]:
        """Number of the recording, first row in it, and rows of the window that begins at a row."""

    def arrays(self) -> Fields:
        """Per key: the shape of one row of a window, and the dtype."""

    def pieces(self, row: int) -> Sequence[Any]:
        """The window cut to calls of `read`."""

    def settle(self, row: int, call: Call) -> bool:
        """Count what the window that begins at a row lacks, when all of it was read.

        False: it is not to be given, and was counted as dropped.
        """

    def read(self, row: int, piece: Any, out: NamedArrays, call: Call) -> None:
        """Write a piece of a window to its place in the window's arrays; releases the GIL.

        Raises DataError that names array, chunk, found and wanted.
        """
