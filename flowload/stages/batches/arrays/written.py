"""Batches of which some samples may turn out bad while they are written, and which of them are good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from flowload.abc.operators import Call
from flowload.blocks import Batch, Bundle, Item, Rows
from flowload.errors import DataError
from flowload.stages.inner_call import InnerCall
from flowload.stages.rows.selection import RowList, joined, narrow

from .collate import BatchParts, Collate, Part, cut_out
from .travelling import travelling

__all__ = ["CollateUsable", "QuietCall", "Written", "merged"]


@dataclass(frozen=True, slots=True)
class Written:
    """Good samples by reference, in order; and what was written of exactly these.

    Args:
        parts: where they came.
        arrays: of all of them, one row a sample, where rows can be cut and joined; None: write them anew.
        finished: the batch, or the bundle of batches of one size, that they are already.
    """

    parts: tuple[Part, ...]
    arrays: dict[str, Any] | None = None
    finished: Batch | Bundle | Item | None = None
    rows: int = field(init=False)  #: of all parts
    nbytes: int = field(init=False)  #: that this keeps alive

    def __post_init__(self) -> None:
        nbytes = sum(part.nbytes for part in self.parts)
        if self.finished is not None:
            nbytes += self.finished.nbytes
        elif self.arrays is not None:
            nbytes += sum(array.nbytes for array in self.arrays.values())
        object.__setattr__(self, "rows", sum(map(len, self.parts)))
        object.__setattr__(self, "nbytes", nbytes)

    def __len__(self) -> int:
        return self.rows

    def travel(self) -> Written:
        """See `BatchParts`."""
        return Written(travelling(self.parts), self.arrays, self.finished)

    def select(self, which: slice) -> Written:
        """Neighbouring samples; they are no batch any more."""
        first, end, _ = which.indices(len(self))
        arrays = None
        if self.arrays is not None:
            arrays = {key: array[first:end] for key, array in self.arrays.items()}
        return Written(tuple(cut_out(self.parts, first, end)), arrays)

    def batches(self) -> Sequence[Written]:
        """One `Written` for each batch of a bundle; itself where it is none."""
        if not isinstance(self.finished, Bundle):
            return (self,)
        found, first = [], 0
        for batch in self.finished.bundled:
            parts = tuple(cut_out(self.parts, first, first + len(batch)))
            found.append(Written(parts, batch.arrays if self.arrays is not None else None, batch))
            first += len(batch)
        return found

    def batch_sizes(self) -> Sequence[int]:
        """See `Divisible`."""
        return self.finished.batch_sizes() if isinstance(self.finished, Bundle) else (self.rows,)

    def without(self, batches: int) -> Written:
        """See `Divisible`."""
        assert isinstance(self.finished, Bundle)  # noqa: S101 - there are several
        first, finished = sum(self.batch_sizes()[:batches]), self.finished.without(batches)
        arrays = finished.bundled[0].arrays if self.arrays is not None else None
        return Written(tuple(cut_out(self.parts, first, self.rows)), arrays, finished)


def merged(parts: Iterable[Part]) -> list[Part]:
    """The same samples; neighbouring rows of the same records are one part."""
    found: list[Part] = []
    for rows, group in groupby(parts, key=lambda part: id(part.origin) if isinstance(part, Rows) else None):
        same = list(group)
        if rows is None or len(same) == 1:
            found += same
        else:
            first = same[0]
            assert isinstance(first, Rows)  # noqa: S101 - or it would have no origin
            picks = joined([part.picks for part in same if isinstance(part, Rows)])
            found.append(replace(first, picks=picks))
    return found


class QuietCall(InnerCall):
    """A call that tells nothing of what is missing: it was told when these samples were written first."""

    def missing(self, count: int, what: DataError) -> None:
        """Ignore: it was reported when these samples were written first."""


class TrialCall(QuietCall):
    """A call that fails with the first sample that is dropped or rejected; until `settle` nothing is told."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.lacks: list[tuple[int, DataError]] = []

    def drop(self, count: int, reason: str) -> None:
        """Raise DataError if anything is dropped: the trial has failed."""
        if count:
            raise DataError(reason, where="batch")

    def reject(self, error: DataError, count: int = 1) -> None:  # noqa: ARG002 - one is enough
        """Raise the error: the trial has failed."""
        raise error

    def missing(self, count: int, what: DataError) -> None:
        """Told when the attempt has succeeded."""
        self.lacks.append((count, what))

    def settle(self) -> None:
        """Report what was held back: the trial has succeeded."""
        for count, what in self.lacks:
            self.call.missing(count, what)


class CollateUsable(Collate):
    """A map: writes batches as if every sample were good; where one is not, finds out which are.

    So no sample is read twice before the first bad one is met, and behind it none of a batch without any.
    """

    def apply(self, block: BatchParts, call: Call) -> Written | None:  # type: ignore[override]  # see `Refill`
        """The good samples of a batch, or of several; None when none of them is."""
        attempt = TrialCall(call)
        try:
            made = super().apply(block, attempt)
        except DataError:
            return self.good_ones(block.parts, call)
        attempt.settle()
        return None if made is None else Written(block.parts, self.cuttable(block.parts, made), made)

    def cuttable(self, parts: Sequence[Part], made: Batch | Bundle | Item) -> dict[str, Any] | None:
        """The arrays that can be cut and joined: one row a sample, whatever other samples there are."""
        first = made.bundled[0] if isinstance(made, Bundle) else made
        if not isinstance(first, Batch) or first.whole:
            return None
        if any(isinstance(part, Rows) and self.fields(part) is None for part in parts):
            return None
        return first.arrays  # of a bundle, each batch has its own: see `Written.batches`

    def good_ones(self, parts: Iterable[Part], call: Call) -> Written | None:
        """The samples that can be written, by reference; the others are dropped or rejected one by one."""
        good: list[Part] = []
        for part in merged(parts):
            if isinstance(part, Rows):
                numbers = part.table.usable(part.picks.array(), call)
                good += self.readable(replace(part, picks=RowList(narrow(numbers))), call)
            else:
                good += self.readable(part, call)
        return Written(tuple(merged(good))) if good else None

    def readable(self, part: Part, call: Call) -> Iterator[Part]:
        """The samples that can be written: all, or those of either half."""
        if not len(part):
            return
        attempt = TrialCall(call)
        try:
            super().batch((part,), attempt)
        except DataError as error:
            half = len(part) // 2
            if half:
                yield from self.readable(part.select(slice(0, half)), call)
                yield from self.readable(part.select(slice(half, None)), call)
            else:
                call.reject(error)
        else:
            attempt.settle()
            yield part
