"""The least that a user writes for data of their own, and how it becomes the full form.

A *table* is a length and a gather, *records* are what opens one, and a *record format* is an index and an
inflate. `fl.rows`, `fl.read` and the exams take them as they are. The full forms, which write into the memory
of a batch, know several layouts or bad rows, are `flowload.abc.records` and `flowload.abc.chunk_formats`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .operators import NamedArrays
from .records import Numbers

__all__ = ["RecordFormat", "Records", "Table"]


@runtime_checkable
class Table(Protocol):
    """Rows of arrays that can be asked for by number, in any order, by several threads at once.

    It may have `close()`, called when the run is over, and `describe(row)`, the words for a row in messages.
    """

    def __len__(self) -> int:
        """Rows."""

    def gather(self, rows: Numbers) -> NamedArrays:
        """Arrays by key, each with one row for each of these row numbers, in their order."""


@runtime_checkable
class Records(Protocol):
    """A value that says where data are; every run opens a table of its own: no handle crosses a fork.

    It may have a `name`, for messages. A frozen dataclass is equal to its copy, as graphs want it.
    """

    def open(self) -> Table:
        """Open the data. Raises DataError that names the file, what was found and what was wanted."""


@runtime_checkable
class RecordFormat(Protocol):
    """Files of chunks, each of which inflates to records of one dtype.

    It may have `suffixes`, the endings that a folder search takes; `describe(path, number)`, the words for a
    chunk in messages; and `layouts`, where the fields of `record` are not the arrays that are wanted.
    """

    @property
    def name(self) -> str:
        """The word for messages; without `suffixes` also the ending of its files."""

    @property
    def record(self) -> np.dtype[Any]:
        """Of one record."""

    def index(self, path: str) -> Iterable[tuple[int, int]]:
        """Where the chunks of a file lie: offset and size of each, in bytes, read from headers only."""

    def inflate(self, data: bytes) -> bytes | bytearray | memoryview | NDArray[Any]:
        """The records of one chunk, one behind the other."""
