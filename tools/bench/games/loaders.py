"""flowload, and the roof above it: the same kernel, called by a bare thread a CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

import flowload as fl
from flowload.abc.records import Picks
from flowload.formats.games.packed import PackedGames
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.batches.buffer_layout import batch_bytes, split_lease
from flowload.stages.rows.selection import RowRange
from flowload.stages.rows.shuffle import drawn
from flowload.testing.call import PlainCall
from tools.bench.cpu import cpu_seconds
from tools.bench.settings import Window
from tools.bench.window import watch

from .corpus import Corpus
from .settings import Settings

__all__ = ["Loader", "Reading", "bare", "flowload", "random_order", "watched"]

ROTATION = 3  #: batches in turn: what a training loop has in hand, what waits, what is written

Batches = Iterator[Mapping[str, Any]]


@dataclass(frozen=True)
class Reading:
    """What one measurement found."""

    rows: float  #: a second
    cores: float | None = None  #: CPU seconds of this process and its children, a second

    @property
    def thrift(self) -> float | None:
        """Rows a CPU second: what others do on the machine disturbs it less."""
        return None if self.cores is None else self.rows / self.cores


@dataclass(frozen=True)
class Loader:
    """Somebody who makes batches."""

    name: str
    group: str
    measure: Callable[[Window], Reading]


def watched(name: str, group: str, start: Callable[[], AbstractContextManager[Batches]]) -> Loader:
    """One that gives batches to a plain `for`; started anew for every measurement."""

    def measure(window: Window) -> Reading:
        with start() as batches:
            seen = watch(batches, window, lambda: {"cpu": cpu_seconds()})
        return Reading(seen.frames / seen.seconds, seen.gain("cpu") / seen.seconds)

    return Loader(name, group, measure)


def flowload(corpus: Corpus, settings: Settings, layout: str) -> Loader:
    """The graph of the pipeline, without a device."""

    @contextmanager
    def start() -> Iterator[Batches]:
        graph = fl.rows(PackedGames(corpus.folders[layout])) >> fl.shuffle() >> fl.batch(settings.batch)
        with graph.iterate(epochs=None, cpus=settings.cpus) as run:
            yield iter(run)

    return watched(f"flowload, {layout}", layout, start)


def bare(corpus: Corpus, settings: Settings, layout: str) -> Loader:
    """No graph, no books: the call that the graph makes, into buffers in turn."""

    def measure(window: Window) -> Reading:
        workers = [Bare(corpus, settings, layout, number) for number in range(settings.cpus)]
        for worker in workers:
            worker.thread.start()
        try:
            threading.Event().wait(window.warm)
            rows, began, cpu = sum(worker.rows for worker in workers), perf_counter(), process_time()
            threading.Event().wait(window.seconds)
            rows, seconds = sum(worker.rows for worker in workers) - rows, perf_counter() - began
            return Reading(rows / seconds, (process_time() - cpu) / seconds)
        finally:
            for worker in workers:
                worker.stopped = True
            for worker in workers:
                worker.thread.join()

    return Loader(f"bare kernel, {layout}", layout, measure)


class Bare:
    """One thread, with every n-th batch."""

    def __init__(self, corpus: Corpus, settings: Settings, layout: str, number: int) -> None:
        self.order, self.size = random_order(len(corpus.order)), settings.batch
        self.table = corpus.table(layout)
        self.number, self.step = number, settings.cpus
        fields = self.table.fields("onehot", corpus.order[:0])
        self.call = PlainCall((0, 0), 0)
        pool = BufferPool()  # the memory that a run's own pool gives: aligned, in huge pages
        leases = (pool.lease(batch_bytes(fields, self.size)) for _ in range(ROTATION))
        self.buffers = [split_lease(memory, fields, self.size) for memory in leases]
        self.rows = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.make(0)

    def make(self, turn: int) -> None:
        """One batch; its part of the order is computed like the graph's."""
        begin = turn % (len(self.order) // self.size) * self.size
        rows = self.order.select(slice(begin, begin + self.size))
        out = self.buffers[turn // self.step % ROTATION]
        self.table.write_many("onehot", rows, self.size, out, self.call)

    def run(self) -> None:
        """Until stopped."""
        turn = self.number
        while not self.stopped:
            self.make(turn)
            self.rows += self.size
            turn += self.step


def random_order(count: int) -> Picks:
    """All rows, in an order as `shuffle` gives them."""
    return drawn(RowRange(0, count), np.random.default_rng(0))


def as_order(corpus: Corpus, batch: int, seed: int) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """Row numbers of batches, for ever, in a new order each pass."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(corpus.order))
        for begin in range(0, len(order) - batch + 1, batch):
            yield order[begin : begin + batch]
