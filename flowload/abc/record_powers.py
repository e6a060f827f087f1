"""What an opened table may do beside `LayoutTable`: each power is optional, and says what it buys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowload.files.guard import Guard

from .operators import Bytes, Call, NamedArrays
from .records import WRITTEN, Fields, LayoutTable, Numbers, Order, Picks

__all__ = [
    "Budgeted",
    "Bulk",
    "Collating",
    "Cutting",
    "Demand",
    "Gathered",
    "Grouped",
    "Guarded",
    "Ordered",
    "Padding",
    "Pair",
    "Screened",
    "Sized",
    "Uniform",
    "Weighted",
]

#: Arrays with one row a sample, and those that go with the batch.
Pair: TypeAlias = tuple[NamedArrays, NamedArrays]


class Padding(NamedTuple):
    """How much of padded batches holds something, such as atoms; a pair of the first two does, too."""

    filled: int  #: places that hold something
    places: int  #: all places
    #: The same by what was padded and to what, such as "60_atoms": batches, places that hold something, all.
    parts: Mapping[str, tuple[int, int, int]] = MappingProxyType({})
    counts: Mapping[str, int] = MappingProxyType({})  #: what else is worth counting, by name


class Gathered(NamedTuple):
    """What belongs to rows that were written."""

    whole: NamedArrays  #: arrays that go with each of the batches, shared and read-only
    padding: Padding | tuple[int, int] | None = None  #: see `Sized`


@runtime_checkable
class Bulk(LayoutTable, Protocol):
    """A table that writes several batches in one call.

    Buys: small batches cost a fraction, for a call, a lease and a look at the files are paid once for many.
    `Uniform` gives all of it to a table whose rows all have one shape.
    """

    @property
    def swift(self) -> bool:
        """Whether a kernel reads rows where they lie, in memory or a memory map: GB in a second."""

    def alike(self, layout: str) -> bool:
        """Whether a row becomes the same arrays whatever rows share its batch."""

    def most(self, layout: str, size: int) -> tuple[Fields, int]:
        """The arrays of its largest sample, and bytes at most that a batch of `size` leases beside them."""

    def write_many(
        self, layout: str, picks: Picks, size: int, out: NamedArrays, call: Call
    ) -> Gathered | None:
        """Write batches of `size` of these rows to `out`, one behind the other; asked where rows are alike.

        None, or a DataError: a row cannot be delivered, and `usable` has to say which; nothing was counted.
        """

    def write_varied(
        self, layout: str, picks: Picks, size: int, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[Sequence[Pair], Padding | tuple[int, int] | None] | None:
        """Write batches of `size`, each in its own shape, to memory of one lease; asked where rows differ.

        Returns the arrays of each batch with one row a sample, those that go with the whole, and the padding;
        see `Sized`. None, or a DataError: as in `write_many`.
        """


@runtime_checkable
class Cutting(LayoutTable, Protocol):
    """A table that writes several batches of different sizes in one call.

    Buys: batches by a budget, such as `batch(atoms=4096)`, cost what those of one size do.
    """

    def write_cut(
        self, layout: str, picks: Picks, borders: Numbers, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[Sequence[Pair], Padding | tuple[int, int] | None] | None:
        """Write batches of these rows, of `borders[k]` to `borders[k + 1]`; see `Bulk.write_varied`."""


@runtime_checkable
class Collating(LayoutTable, Protocol):
    """A table that makes a batch of rows as a whole.

    Buys: batches of which nobody knows before what they consist of, such as those of a `collate=`.
    """

    def collated(self, rows: Numbers) -> Any:
        """The block of these rows; asked in the place of `fields` and `write`."""


class Uniform:
    """What `Bulk` wants, for a table all of whose rows have one shape, and go with nothing else."""

    swift: bool = False

    def alike(self, layout: str) -> bool:  # noqa: ARG002 - the same for all
        """They are."""
        return True

    def usable(self, rows: Numbers, call: Call) -> Numbers:  # noqa: ARG002 - nothing to tell it
        """All: none is known to be bad before it is read."""
        return rows

    def write_many(
        self: LayoutTable,
        layout: str,
        picks: Picks,
        size: int,  # noqa: ARG002 - no batch differs from another
        out: NamedArrays,
        call: Call,
    ) -> Gathered | None:
        """As if they were one batch."""
        rows = picks.array()
        padding = getattr(self, "padding", None)  # see `Sized`
        whole = self.write(layout, rows, out, call)
        return Gathered(whole, None if padding is None else padding(rows))

    def most(self: LayoutTable, layout: str, size: int) -> tuple[Fields, int]:  # noqa: ARG002 - as above
        """Those of any sample."""
        return self.fields(layout, np.empty(0, np.int64)), 0

    def write_varied(self, *_: Any) -> None:
        """Never asked: rows are alike."""


class Ordered(Uniform, ABC):
    """A uniform table whose kernel computes an order before it uses it, and reads rows where they lie."""

    swift: bool = True

    @abstractmethod
    def write_order(self, rows: Numbers, order: Order, out: NamedArrays) -> None:
        """Write the rows, or those of an order; see `Picks.lazy`. Raises DataError."""

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Write the rows. Raises DataError."""
        self.write_order(rows, WRITTEN, out)
        return {}

    def write_many(self, layout: str, picks: Picks, size: int, out: NamedArrays, call: Call) -> Gathered:  # noqa: ARG002
        """As if they were one batch, in the order that the picks stand for."""
        self.write_order(*picks.lazy(), out)
        return Gathered({})


@runtime_checkable
class Screened(LayoutTable, Protocol):
    """A table that knows of some rows, before anything of them is read, that nobody wants: by size, say."""

    def screen(self, rows: Numbers) -> tuple[Numbers, Mapping[str, int]]:
        """The rows that stay, in their order, and how many do not, by reason: dropped where rows begin.

        The same in every process, so that ranks share what is left. Quick: all rows are asked about.
        """


@runtime_checkable
class Sized(Protocol):
    """A table whose rows differ in size, such as molecules, and are padded to one size in a batch.

    Buys: `bucket`. One more method may be there, for a gauge of how much of the batches holds something:
    `padding(rows)`, the places in the batch of these rows that hold something, such as atoms, and all places,
    or a `Padding`. Where that depends on what goes with the whole batch, `padding_of(rows, whole)` instead.
    """

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        """The size of each row: what padding pads."""


class Demand(NamedTuple):
    """What rows take of a budget."""

    costs: NDArray[np.int64]  #: of each row, from 0; rows that take nothing all come into one batch
    kinds: NDArray[np.int64]  #: numbers from 0: rows of different kinds never share a batch, such as slots
    padded: bool  #: each row takes as much as the costliest of its batch; else the costs add up
    even: bool = False  #: rows of one kind take all the same


@runtime_checkable
class Budgeted(LayoutTable, Protocol):
    """A table whose rows take different parts of a budget, such as slots of atoms.

    Buys: `batch(atoms=)` and `batch(edges=)`.
    """

    @property
    def budgets(self) -> Sequence[str]:
        """The names of the budgets that it knows: "atoms", "edges"."""

    def demand(self, by: str, rows: Numbers) -> Demand:
        """What each row takes: it depends on the row alone. Raises DataError."""


@runtime_checkable
class Weighted(LayoutTable, Protocol):
    """A table that may give some rows more often than others: those of a pass are chosen anew in each.

    Buys: sets that are mixed by weight, in `rows`.
    """

    @property
    def weighted(self) -> bool:
        """Whether it does; else each row comes once."""

    def drawn(self, rows: Numbers, rng: np.random.Generator) -> Numbers:
        """As many of these rows, some of them repeatedly, others not at all. Raises DataError."""


@runtime_checkable
class Grouped(Protocol):
    """A table whose rows belong together in groups that a split must not separate, such as games.

    Buys: `split(by=)`.
    """

    @property
    def groups(self) -> Sequence[str]:
        """The names that `split(by=)` takes."""

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        """A key for each row: equal for the rows of one group, the same on every machine."""


@runtime_checkable
class Guarded(Protocol):
    """A table whose files must stay as they are: `write` and the like are called inside `with guard:`.

    Rows are thrown away, with a DataError, where a file changed before they were complete. A run looks at
    all files again with every pass and at its end.
    """

    @property
    def guard(self) -> Guard:
        """Of its files; see `flowload.files.guard`."""
