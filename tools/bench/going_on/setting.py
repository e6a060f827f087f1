"""What every loader is given, and what it must be able to do: values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["EPOCHS", "Contender", "Numbers", "Place", "Reader", "chained"]

EPOCHS = 2

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and how a stream is read."""

    folder: str
    batch: int  #: rows of a step, of all ranks together
    workers: int
    rank: int = 0
    world: int = 1

    @property
    def share(self) -> int:
        """Rows of a step that this rank has."""
        return self.batch // self.world


class Reader(Protocol):
    """Batches up to the end of the second epoch, and at any moment a state."""

    def __iter__(self) -> Iterator[Iterable[int]]: ...

    def state(self) -> Any:
        """After the last batch that was given."""


class Contender(Protocol):
    """A module of this package: one loader, as its documentation advises."""

    def write(self, folder: Path, numbers: Numbers, each: int) -> None:
        """Files of `each` rows, where the loader has such."""

    def open(self, place: Place, state: Any) -> Reader:
        """From the beginning where there is no state."""


@dataclass
class chained:  # noqa: N801 - called like a function
    """Epoch by epoch of a loader that is iterated anew for each; the epoch is in the state, as users do."""

    loader: Any
    begin: Callable[[int], object]
    epoch: int

    def __iter__(self) -> Iterator[Iterable[int]]:
        for epoch in range(self.epoch, EPOCHS):
            self.epoch = epoch
            self.begin(epoch)
            for batch in self.loader:
                yield numbers_of(batch)

    def state(self) -> Any:
        """Of the loader, and the epoch."""
        return {"epoch": self.epoch, "loader": self.loader.state_dict()}


def numbers_of(batch: Any) -> list[int]:
    """Of a batch: a tensor, or a dict of one column."""
    return [int(number) for number in (batch["x"] if isinstance(batch, dict) else batch)]
