"""The few sizes that batches are padded to, so that a compiler meets few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowload.abc.record_powers import Demand
from flowload.abc.stage import whole
from flowload.errors import GraphError

__all__ = ["Slots", "slots_taken"]


@dataclass(frozen=True)
class Slots:
    """Rising sizes, of which each batch has the smallest that holds it; none: each has its own.

    Args:
        what: the option that says them, for messages.
        unit: of what, for gauges.
        sizes: as a user gave them: a number, several in any order, or None. Raises GraphError.
    """

    what: str
    unit: str
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, what: str, unit: str, given: int | Sequence[int] | None) -> Slots:
        """Those that a user gave. Raises GraphError for what are no sizes."""
        several = tuple(given) if isinstance(given, tuple | list | np.ndarray) else None
        sizes = () if given is None else (given,) if several is None else several
        numbers = tuple(int(size) if isinstance(size, np.integer) else size for size in sizes)
        if several == () or not all(whole(size) and size >= 1 for size in numbers):
            raise GraphError(f"{what} is {given!r}; wanted a number from 1, several of them, or None")
        if len(set(numbers)) < len(numbers):
            raise GraphError(f"{what} is {given!r}; wanted each of them once")
        return cls(what, unit, tuple(sorted(numbers)))

    @property
    def fixed(self) -> bool:
        """Whether all batches have one size."""
        return len(self.sizes) == 1

    @property
    def most(self) -> int:
        """The largest; 0: there is no limit."""
        return self.sizes[-1] if self.sizes else 0

    def fit(self, needed: int) -> int:
        """What a batch has that needs so many; for more than the largest, the largest."""
        return next((size for size in self.sizes if size >= needed), self.most) if self.sizes else needed

    def fit_all(self, needed: NDArray[np.int64]) -> NDArray[np.int64]:
        """`fit` of each."""
        if not self.sizes:
            return needed
        known = np.array(self.sizes, np.int64)
        return known[np.minimum(np.searchsorted(known, needed), len(known) - 1)]

    def parts(
        self, filled: NDArray[np.int64], widths: NDArray[np.int64], rows: int | NDArray[np.int64]
    ) -> dict[str, tuple[int, int, int]]:
        """How full batches are by slot, where there are several; see `record_powers.Padding`.

        Args:
            filled: what each batch holds.
            widths: the slot of each.
            rows: rows that are so wide, of each or of all of them.
        """
        if len(self.sizes) < 2:
            return {}
        found = {}
        for width in np.unique(widths).tolist():
            here = widths == width
            places = int(np.broadcast_to(rows, widths.shape)[here].sum()) * width
            found[f"{width}_{self.unit}"] = int(here.sum()), int(filled[here].sum()), places
        return found


def slots_taken(slots: Slots, sizes: NDArray[np.int32]) -> Demand:
    """What molecules take of a batch: as many slots as theirs has; those of different slots stay apart."""
    wide = sizes.astype(np.int64)
    if not slots.sizes:
        return Demand(wide, np.zeros(len(sizes), np.int64), padded=True)
    kinds = np.minimum(np.searchsorted(np.array(slots.sizes), wide), len(slots.sizes) - 1)
    return Demand(slots.fit_all(wide), kinds, padded=True, even=True)
