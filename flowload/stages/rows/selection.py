"""Row numbers that flow by reference: a range, a list, or part of a random order that is not computed yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import State
from flowload.abc.records import WRITTEN, Numbers, Order, Picks
from flowload.kernels.rows.bijection import halves, write_rows

__all__ = ["PermutedRows", "RowList", "RowRange", "joined", "narrow", "picks_from_state"]

SMALL = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class RowRange:
    """Row numbers from `start` up to `stop` in steps of `step`, which is above 0."""

    start: int
    stop: int
    step: int = 1

    def __len__(self) -> int:
        return len(range(self.start, self.stop, self.step))

    @property
    def nbytes(self) -> int:
        """Bytes of the three numbers."""
        return 24

    def select(self, which: NDArray[Any] | slice) -> Picks:
        """The selection of the places that an index array, a mask or a slice names."""
        if isinstance(which, slice):
            part = range(self.start, self.stop, self.step)[which]
            if part.step > 0:
                return RowRange(part.start, max(part.stop, part.start), part.step)
        return RowList(self.array()[which])

    def array(self) -> Numbers:
        """The row numbers, int64 (n,)."""
        return np.arange(self.start, self.stop, self.step, dtype=np.int64)

    def lazy(self) -> tuple[Numbers, Order]:
        """The numbers: they cost next to nothing."""
        return self.array(), WRITTEN

    def at(self, places: Numbers) -> Numbers:
        """The row numbers at these places of the selection."""
        return places if (self.start, self.step) == (0, 1) else places * self.step + self.start

    def state(self) -> State:
        """Its fields as JSON values."""
        return {"span": [self.start, self.stop, self.step]}


@dataclass(frozen=True, slots=True, eq=False)
class RowList:
    """Any row numbers, as an array: int64, or int32 while they wait."""

    numbers: NDArray[np.int64] | NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def nbytes(self) -> int:
        """Bytes of the list."""
        return int(self.numbers.nbytes)

    def select(self, which: NDArray[Any] | slice) -> RowList:
        """The selection of the places that an index array, a mask or a slice names."""
        return RowList(self.numbers[which])

    def array(self) -> Numbers:
        """The row numbers, int64 (n,)."""
        return self.numbers.astype(np.int64, copy=False)

    def lazy(self) -> tuple[Numbers, Order]:
        """The numbers, which are there."""
        return self.array(), WRITTEN

    def at(self, places: Numbers) -> Numbers:
        """The row numbers at these places of the selection."""
        return self.numbers[places].astype(np.int64, copy=False)

    def state(self) -> State:
        """The row numbers as JSON values."""
        return {"listed": self.numbers}


@dataclass(frozen=True, slots=True, eq=False)
class PermutedRows:
    """Places `span` of a random order of `base`; computed by whoever asks, in that thread."""

    base: Picks
    keys: NDArray[np.uint64]  #: which order; see `flowload.kernels.rows.bijection`
    span: RowRange

    def __len__(self) -> int:
        return len(self.span)

    @property
    def nbytes(self) -> int:
        """Of its own; all parts of an order share what they refer to."""
        return 64

    def select(self, which: NDArray[Any] | slice) -> Picks:
        """The selection of the places that an index array, a mask or a slice names."""
        part = self.span.select(which)
        return (
            PermutedRows(self.base, self.keys, part)
            if isinstance(part, RowRange)
            else RowList(self.array()[which])
        )

    def array(self) -> Numbers:
        """The row numbers, int64 (n,)."""
        rows, order = self.places()
        write_rows(rows, order)
        return self.base.at(rows)

    def lazy(self) -> tuple[Numbers, Order]:
        """Room and an order, where a place of the order is a number already: a kernel needs nothing else."""
        whole = isinstance(self.base, RowRange) and (self.base.start, self.base.step) == (0, 1)
        return self.places() if whole else (self.array(), WRITTEN)

    def places(self) -> tuple[Numbers, Order]:
        """Room for the places of the base, and the order that they have."""
        n = len(self.base)
        return np.empty(len(self.span), np.int64), (self.span.start, self.span.step, n, *halves(n), self.keys)

    def at(self, places: Numbers) -> Numbers:
        """The row numbers at these places of the selection."""
        return self.array()[places]

    def state(self) -> State:
        """Its fields as JSON values."""
        span = [self.span.start, self.span.stop, self.span.step]
        return {"permuted": span, "keys": self.keys.tolist(), "base": self.base.state()}


def joined(parts: Sequence[Picks]) -> Picks:
    """Several picks as one: 24 bytes where they are neighbouring ranges, else 4 bytes a number, or 8."""
    parts = [part for part in parts if len(part)]
    spans = [part for part in parts if isinstance(part, RowRange) and part.step == 1]
    if len(spans) == len(parts) > 0 and all(a.stop == b.start for a, b in pairwise(spans)):
        return RowRange(spans[0].start, spans[-1].stop)
    if len(parts) == 1:
        return parts[0]
    lists = [narrow(part.numbers if isinstance(part, RowList) else part.array()) for part in parts]
    return RowList(np.concatenate([np.empty(0, np.int32), *lists]))


def narrow(numbers: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64] | NDArray[np.int32]:
    """The numbers as int32 where they fit, else as they are: half the memory while they wait."""
    fits = numbers.itemsize == 4 or len(numbers) == 0 or numbers.max() <= SMALL
    return numbers.astype(np.int32, copy=False) if fits else numbers


def picks_from_state(state: State) -> Picks:
    """The picks that gave this state."""
    if "span" in state:
        return RowRange(*state["span"])
    if "permuted" in state:
        keys = np.array(state["keys"], np.uint64)
        return PermutedRows(picks_from_state(state["base"]), keys, RowRange(*state["permuted"]))
    return RowList(np.asarray(state["listed"]))
