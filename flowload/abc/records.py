"""The agreements about random access: rows on disk that are named by number, and gathered into a batch.

What flows between stages are references: blocks of row numbers. Only `batch` asks for the bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowload.files.guard import Guard

from .operators import Bytes, Call, State

__all__ = [
    "MOST_ROWS",
    "WRITTEN",
    "Alike",
    "Attended",
    "Fields",
    "Gathered",
    "Grouped",
    "Guarded",
    "Missing",
    "Numbers",
    "Order",
    "Ordered",
    "Padded",
    "Pair",
    "Picks",
    "Records",
    "Screened",
    "Sized",
    "Table",
    "Uniform",
    "Varied",
    "Windowed",
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
class Records(Protocol):
    """Rows on disk as a value: it can be compared, printed and pickled; each run opens it for itself.

    So a handle is opened where it is used, and never crosses a fork or a spawn.

    An attribute `drops` that is False says that `Table.usable` of its tables never drops a row, though it may
    reject one: then batches need not be filled up. See `may_drop`.
    """

    @property
    def name(self) -> str:
        """The word for the format, such as "molecules"."""

    @property
    def layouts(self) -> Sequence[str]:
        """Which arrays `batch` can make of a row, by name; the first is the default."""

    def fields(self, layout: str) -> Fields:
        """The arrays of a batch, for an estimate of memory; empty where nobody knows without opening."""

    def open(self) -> Table:
        """Open and validate. Raises DataError that names the file, what was found and what was wanted."""


@runtime_checkable
class Table(Protocol):
    """Records that a run has opened. Several threads may call it at once."""

    @property
    def layouts(self) -> Sequence[str]:
        """Those of its records."""

    def __len__(self) -> int:
        """Rows."""

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """The rows that can be delivered, in their order; what cannot is dropped or rejected by `call`."""

    def fields(self, layout: str, rows: Numbers) -> Fields:
        """The arrays of the batch of these rows: what `gather` writes, one row a sample."""

    def gather(
        self, layout: str, rows: Numbers, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Mapping[str, NDArray[Any]]:
        """Write these rows to `out`; releases the GIL.

        Returns arrays that go with the batch but have no row a sample, such as pair indices; they may be
        shared between batches, and then are read-only.
        """

    def describe(self, row: int) -> str:
        """File and record of a row, for messages."""

    def close(self) -> None:
        """The run is over. Called once."""


def may_drop(records: Records) -> bool:
    """Whether rows of these may be dropped where they are read, though no error may be skipped.

    Where the records do not say, they may; those that do what `missing=` says do it under "skip" alone.
    """
    drops: bool = getattr(records, "drops", getattr(records, "missing", "skip") == "skip")
    return drops


#: Arrays with one row a sample, and those that go with the batch.
Pair: TypeAlias = tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]


class Gathered(NamedTuple):
    """What belongs to rows that were written."""

    whole: Mapping[str, NDArray[Any]]  #: arrays that go with each of the batches, shared and read-only
    padding: tuple[int, int] | None = None  #: see `Padded`


@runtime_checkable
class Alike(Table, Protocol):
    """A table that can write several batches of one size at once: small ones cost less that way."""

    @property
    def swift(self) -> bool:
        """Whether a kernel reads rows where they lie, in memory or a memory map: GB in a second."""

    def alike(self, layout: str) -> bool:
        """Whether a row becomes the same arrays whatever rows share its batch."""

    def gather_many(
        self, layout: str, picks: Picks, size: int, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Gathered | None:
        """Write batches of `size` of these rows to `out`, one behind the other; asked where rows are alike.

        None, or a DataError: a row cannot be delivered, and `usable` has to say which; nothing was counted.
        """


class Uniform:
    """What `Alike` wants, for a table all of whose rows are usable, and go with nothing else."""

    swift: bool = False

    def alike(self, layout: str) -> bool:  # noqa: ARG002 - the same for all
        """They are."""
        return True

    def gather_many(
        self: Table,
        layout: str,
        picks: Picks,
        size: int,  # noqa: ARG002 - no batch differs from another
        out: Mapping[str, NDArray[Any]],
        call: Call,
    ) -> Gathered | None:
        """As if they were one batch."""
        rows = picks.array()
        padding = getattr(self, "padding", None)  # not `isinstance(self, Padded)`: that takes far longer
        whole = self.gather(layout, rows, out, call)
        return Gathered(whole, None if padding is None else padding(rows))


class Ordered(Uniform, ABC):
    """A uniform table whose kernel computes an order before it uses it, and reads rows where they lie."""

    swift: bool = True

    @abstractmethod
    def write(self, rows: Numbers, order: Order, out: Mapping[str, NDArray[Any]]) -> None:
        """Write the rows, or those of an order; see `Picks.lazy`. Raises DataError."""

    def gather(
        self,
        layout: str,  # noqa: ARG002 - there is one
        rows: Numbers,
        out: Mapping[str, NDArray[Any]],
        call: Call,  # noqa: ARG002 - nothing to ask
    ) -> Mapping[str, NDArray[Any]]:
        """Write the rows. Raises DataError."""
        self.write(rows, WRITTEN, out)
        return {}

    def gather_many(
        self,
        layout: str,  # noqa: ARG002 - there is one
        picks: Picks,
        size: int,  # noqa: ARG002 - no batch differs from another
        out: Mapping[str, NDArray[Any]],
        call: Call,  # noqa: ARG002 - nothing to ask
    ) -> Gathered:
        """As if they were one batch, in the order that the picks stand for."""
        self.write(*picks.lazy(), out)
        return Gathered({})


@runtime_checkable
class Varied(Table, Protocol):
    """A table whose batches differ in shape, and are little work: several are made in one go."""

    def most(self, layout: str, size: int) -> tuple[Fields, int]:
        """The arrays of its largest sample, and bytes at most that a batch of `size` leases beside them."""

    def gather_varied(
        self, layout: str, picks: Picks, size: int, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[Sequence[Pair], tuple[int, int] | None] | None:
        """Write whole batches of `size` of these rows, each in its own shape, to memory of one lease.

        Returns the arrays of each batch with one row a sample, those that go with the whole, and the padding;
        see `Padded`. None, or a DataError: as in `Alike`.
        """


@runtime_checkable
class Screened(Table, Protocol):
    """A table that knows of some rows, before anything of them is read, that nobody wants: by size, say."""

    def screen(self, rows: Numbers) -> tuple[Numbers, Mapping[str, int]]:
        """The rows that stay, in their order, and how many do not, by reason: dropped where rows begin.

        The same in every process, so that ranks share what is left. Quick: all rows are asked about.
        """


@runtime_checkable
class Sized(Protocol):
    """A table whose rows differ in size, such as molecules."""

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        """The size of each row: what padding pads."""


@runtime_checkable
class Padded(Protocol):
    """A table whose rows are padded to one size in a batch."""

    def padding(self, rows: Numbers) -> tuple[int, int]:
        """Places in the batch of these rows that hold something, such as atoms, and places in all."""


@runtime_checkable
class Attended(Protocol):
    """Records whose batches lease memory beside their fields, such as for pair indices of their own."""

    def attending_bytes(self, layout: str, size: int) -> int:
        """Bytes at most, of a batch of so many samples; 0 where nobody knows without opening."""


@runtime_checkable
class Grouped(Protocol):
    """A table whose rows belong together in groups that a split must not separate, such as games."""

    @property
    def groups(self) -> Sequence[str]:
        """The names that `split(by=)` takes."""

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        """A key for each row: equal for the rows of one group, the same on every machine."""


@runtime_checkable
class Guarded(Protocol):
    """A table whose files must stay as they are: `gather` and the like are called inside `with guard:`.

    Rows are thrown away, with a DataError, where a file changed before they were complete. A run looks at
    all files again with every pass and at its end.
    """

    @property
    def guard(self) -> Guard:
        """Of its files; see `flowload.files.guard`."""


@runtime_checkable
class Windowed(Table, Protocol):
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
    def routes(self) -> Mapping[str, str]:
        """How each array is read, such as "pread", by its name."""

    @property
    def missing(self) -> int:
        """Chunks that were asked for, do not exist, and hold the fill value."""

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

    def read(self, row: int, piece: Any, out: Mapping[str, NDArray[Any]], call: Call) -> None:
        """Write a piece of a window to its place in the window's arrays; releases the GIL.

        Raises DataError that names array, chunk, found and wanted.
        """


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
