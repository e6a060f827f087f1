"""What all checks share: the card, the data, and how wrong batches are found without waiting for the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import flowload as fl

from .card import Card
from .spies import PageLocks

__all__ = ["DRY", "FULL", "Bench", "Sizes", "Wrong"]


class Sizes(NamedTuple):
    """How much each check does."""

    rows: int  #: of the table that the checks for correctness read
    width: int  #: float32 of a row
    batch: int
    fast_rows: int  #: of the table that speed is measured with
    fast_width: int
    window_rows: int
    neurons: int
    cycles: int  #: runs that are opened and left
    steps: int  #: slow ones, that copies must not run ahead of
    per_window: int  #: batches of a window
    processes: int  #: of the DataLoader that is compared with, at most


FULL = Sizes(400_000, 512, 2048, 262_144, 4096, 65_536, 13_741, 1000, 50, 80, 12)
DRY = Sizes(6_000, 16, 256, 4096, 64, 1024, 32, 25, 5, 5, 0)


class Wrong(NamedTuple):
    """What a consumer saw that it should not have."""

    elements: int
    twice: int
    never: int


@dataclass(frozen=True)
class Bench:
    """The bench that a check works at."""

    card: Card
    folder: Path
    locks: PageLocks = field(default_factory=PageLocks)
    sizes: Sizes = FULL

    @property
    def device(self) -> str:
        """As `to_device` wants it."""
        return str(self.card.device)

    @property
    def batch_bytes(self) -> int:
        """Of a batch of the table, with the numbers of its rows."""
        return self.sizes.batch * (self.sizes.width * 4 + 8)

    @cached_property
    def host(self) -> NDArray[np.float32]:
        """The table."""
        shape = self.sizes.rows, self.sizes.width
        return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    @cached_property
    def there(self) -> torch.Tensor:
        """The table on the card, copied by torch alone: what batches are compared with."""
        return torch.from_numpy(self.host).to(self.card.device)

    def source(self, batch: int | None = None) -> fl.Graph:
        """Batches of the table in random order, with the number of each row."""
        rows = fl.rows({"x": self.host, "n": np.arange(len(self.host))})
        return rows >> fl.shuffle() >> fl.batch(batch or self.sizes.batch)

    def loaded(self, batch: int | None = None) -> fl.Graph:
        """The same, on the card."""
        return self.source(batch) >> fl.to_device(self.device)

    def wrong(
        self,
        graph: fl.Graph,
        *,
        stream: Any = None,
        work: float = 0.0,
        hold: int = 0,
        seed: int = 1,
        epochs: int = 1,
        process: bool = False,
    ) -> Wrong:
        """Consume a graph as a training does: what it saw is counted on the card, and asked for at the end.

        Args:
            stream: that the consumer works in; None: the default one.
            work: milliseconds of kernels for each batch, before it is looked at.
            hold: batches that are kept, and looked at once more when they go.
            process: the run has a process of its own.
        """
        counts = Counts(self)
        self.card.wait()
        with graph.iterate(seed=seed, epochs=epochs, process=process) as run, self.card.within(stream):
            held: list[Any] = []
            for batch in run:
                self.card.busy(work)
                counts.see(batch)
                held.append(batch)
                if len(held) > hold:
                    counts.compare(held.pop(0))
            for batch in held:
                counts.compare(batch)
        return counts.wrong(epochs)

    def steps(self, graph: fl.Graph, count: int, work: float, seed: int = 1) -> Iterator[Any]:
        """The first batches of an endless run, with kernels of so many milliseconds behind each."""
        with graph.iterate(seed=seed, epochs=None) as run:
            for number, batch in enumerate(run):
                self.card.busy(work)
                yield batch
                if number + 1 >= count:
                    return


class Counts:
    """Numbers on the card: adding to them waits for nothing."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.elements = torch.zeros((), dtype=torch.int64, device=bench.card.device)
        self.seen = torch.zeros(len(bench.host), dtype=torch.int32, device=bench.card.device)
        _ = bench.there

    def compare(self, batch: Any) -> None:
        """Count the elements that are not those of the table."""
        numbers = batch["n"].clamp(0, len(self.seen) - 1)  # a wrong one must not stop the card
        self.elements += (batch["x"] != self.bench.there[numbers]).sum()

    def see(self, batch: Any) -> None:
        """Count its elements, and its rows."""
        self.compare(batch)
        numbers = batch["n"].clamp(0, len(self.seen) - 1)
        self.seen.index_add_(0, numbers, torch.ones_like(numbers, dtype=torch.int32))

    def wrong(self, epochs: int = 1) -> Wrong:
        """Wait, and tell."""
        self.bench.card.wait()
        twice, never = int((self.seen > epochs).sum()), int((self.seen < epochs).sum())
        return Wrong(int(self.elements), twice, never)
