"""flowload: rows of a memory-mapped file in lanes, of which every rank has as many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import flowload as fl
from flowload.formats.rows import NpyRows

from .setting import EPOCHS, Numbers, Place

__all__ = ["open", "write"]

LANES = 6


def write(folder: Path, numbers: Numbers, each: int) -> None:  # noqa: ARG001 - it is one file
    """One column."""
    np.save(folder / "x.npy", numbers)


class Rows:
    """A run."""

    def __init__(self, place: Place, state: Any) -> None:
        rows = fl.rows(NpyRows(place.folder)) >> fl.shuffle()
        lanes = rows >> fl.shard(place.rank, place.world, lanes=LANES)
        graph = lanes >> fl.batch(place.batch, across_lanes=True)
        self.run = graph.iterate(seed=0, epochs=EPOCHS, cpus=place.workers, state=state)

    def __iter__(self) -> Iterator[Iterable[int]]:
        with self.run as batches:
            for batch in batches:
                yield np.asarray(batch["x"]).tolist()

    def state(self) -> Any:
        """Of all ranks."""
        return self.run.state_dict()


def open(place: Place, state: Any) -> Rows:  # noqa: A001 - what it does
    """A run from there."""
    return Rows(place, state)
