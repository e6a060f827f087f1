"""flowload, and the roof above it: the same kernel, called by a bare thread a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import flowload as fl
from flowload.formats.games.packed import PackedGames
from flowload.testing.call import PlainCall
from tools.bench.measuring.bare import Bare, bare_loader, random_order
from tools.bench.measuring.loader import Batches, Loader, watched

from .corpus import Corpus
from .settings import Settings

__all__ = ["as_order", "bare", "flowload"]


def flowload(corpus: Corpus, settings: Settings, layout: str) -> Loader:
    """The graph of the pipeline, without a device."""

    @contextmanager
    def start() -> Iterator[Batches]:
        graph = fl.rows(PackedGames(corpus.folders[layout])) >> fl.shuffle() >> fl.batch(settings.batch)
        with graph.iterate(epochs=None, cpus=settings.cpus) as run:
            yield iter(run)

    return watched(f"flowload, {layout}", layout, start)


def bare(corpus: Corpus, settings: Settings, layout: str) -> Loader:
    """The call that the graph makes, by bare threads."""
    cpus = settings.cpus
    name = f"bare kernel, {layout}"
    return bare_loader(
        name, layout, lambda: [BareGames(corpus, settings.batch, layout, (k, cpus)) for k in range(cpus)]
    )


class BareGames(Bare):
    """One thread; its part of the order is computed like the graph's."""

    def __init__(self, corpus: Corpus, batch: int, layout: str, place: tuple[int, int]) -> None:
        self.order = random_order(len(corpus.order))
        self.table = corpus.table(layout)
        super().__init__(self.table.fields("onehot", corpus.order[:0]), batch, place)
        self.call = PlainCall((0, 0), 0)
        self.make(0)

    def make(self, turn: int) -> None:
        """One batch."""
        begin = turn % (len(self.order) // self.size) * self.size
        rows = self.order.select(slice(begin, begin + self.size))
        self.table.write_many("onehot", rows, self.size, self.out(turn), self.call)


def as_order(corpus: Corpus, batch: int, seed: int) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """Row numbers of batches, for ever, in a new order each pass."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(corpus.order))
        for begin in range(0, len(order) - batch + 1, batch):
            yield order[begin : begin + batch]
