"""Records in their full form: rows with random access, written straight into the memory of a batch.

What flows between stages are references: blocks of row numbers. Only `batch` asks for the bytes. Whoever has
a length and a function of row numbers needs less: see `flowload.abc.simple`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .operators import Call, NamedArrays, State

__all__ = [
    "MOST_ROWS",
    "WRITTEN",
    "Fields",
    "LayoutRecords",
    "LayoutTable",
    "Missing",
    "Numbers",
    "Order",
    "Picks",
    "may_drop",
]

Numbers: TypeAlias = NDArray[np.int64]  #: row numbers

#: Numbers of a random order that a kernel computes before it uses them: `kernels.rows.bijection.write_rows`.
Order: TypeAlias = tuple[int, int, int, int, int, NDArray[np.uint64]]

WRITTEN: Order = 0, 1, 0, 0, 0, np.empty(0, np.uint64)  #: nothing is left to compute

#: What a sample does whose data were never stored: it is given with the fill value, and counted; it is an
#: error; it is dropped.
Missing: TypeAlias = Literal["fill", "raise", "skip"]

#: Rows of a table, at most: no disk holds so many, and a shape that says so is a mistake or an attack. Sums
#: and products of row numbers that kernels compute stay within 64 bits.
MOST_ROWS = 1 << 40

#: Per key of a batch: the shape of one sample, and the dtype.
Fields: TypeAlias = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


@runtime_checkable
class LayoutRecords(Protocol):
    """Rows on disk as a value: it can be compared, printed and pickled; each run opens it for itself.

    So a handle is opened where it is used, and never crosses a fork or a spawn.

    More may be said. An attribute `drops` that is False: `usable` of its tables never drops a row,
    though it may reject one, so batches need not be filled up (see `may_drop`). A method
    `attending_bytes(layout, size)`: bytes at most that a batch of so many samples leases beside its fields,
    such as for pair indices of its own; 0 where nobody knows without opening. And `writing_bytes(layout, by,
    limit)`: bytes at most that one call has beside all leases while it writes a batch of so many "rows",
    "atoms" or "edges".
    """

    @property
    def name(self) -> str:
        """The word for the format, such as "molecules"."""

    @property
    def layouts(self) -> Sequence[str]:
        """Which arrays `batch` can make of a row, by name; the first is the default."""

    def fields(self, layout: str) -> Fields:
        """The arrays of a batch, for an estimate of memory; empty where nobody knows without opening."""

    def open(self) -> LayoutTable:
        """Open and validate. Raises DataError that names the file, what was found and what was wanted."""


@runtime_checkable
class LayoutTable(Protocol):
    """Records that a run has opened. Several threads may call it at once."""

    @property
    def layouts(self) -> Sequence[str]:
        """Those of its records."""

    def __len__(self) -> int:
        """Rows."""

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """The rows that can be delivered, in their order; what cannot is dropped or rejected by `call`."""

    def fields(self, layout: str, rows: Numbers) -> Fields:
        """The arrays of the batch of these rows: what `write` writes, one row a sample."""

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:
        """Write these rows to `out`; releases the GIL.

        Returns arrays that go with the batch but have no row a sample, such as pair indices; they may be
        shared between batches, and then are read-only.
        """

    def describe(self, row: int) -> str:
        """File and record of a row, for messages."""

    def close(self) -> None:
        """The run is over. Called once."""


def may_drop(records: LayoutRecords) -> bool:
    """Whether rows of these may be dropped where they are read, though no error may be skipped.

    Where the records do not say, they may; those that do what `missing=` says do it under "skip" alone.
    """
    drops: bool = getattr(records, "drops", getattr(records, "missing", "skip") == "skip")
    return drops


class Picks(Protocol):
    """Row numbers, perhaps not computed yet."""

    def __len__(self) -> int:
        """How many."""

    @property
    def nbytes(self) -> int:
        """Bytes that they keep alive."""

    def select(self, which: NDArray[Any] | slice) -> Picks:
        """Those that an index array, a mask or a slice names."""

    def array(self) -> Numbers:
        """The numbers themselves."""

    def lazy(self) -> tuple[Numbers, Order]:
        """Room for the numbers, and what a kernel writes there; or the numbers, and `WRITTEN`."""

    def at(self, places: Numbers) -> Numbers:
        """The numbers at these places."""

    def state(self) -> State:
        """As JSON values."""
