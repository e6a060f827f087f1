"""flowload, and the roof above it: the same kernels, called by bare threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

import flowload as fl
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.batches.buffer_layout import batch_bytes, split_lease
from flowload.stages.batches.bundle import how_many
from flowload.testing.call import PlainCall
from tools.bench.games.loaders import Batches, Loader, Reading, random_order, watched
from tools.bench.settings import Window

from .corpus import Corpus
from .settings import Settings

__all__ = ["bare", "flowload"]

ROTATION = 3  #: batches in turn: what a training loop has in hand, what waits, what is written
LAYOUT = "physnet"


def flowload(
    corpus: Corpus, settings: Settings, *, device: str | None = None, bucket: int | None = None
) -> Loader:
    """The graph of the pipeline.

    Args:
        device: where batches go.
        bucket: molecules that are sorted by size, for batches that are padded to their own largest.
    """

    @contextmanager
    def start() -> Iterator[Batches]:
        graph = fl.rows(corpus.records if bucket is None else corpus.varied) >> fl.shuffle()
        if bucket is not None:
            graph = graph >> fl.bucket(bucket)
        graph = graph >> fl.batch(settings.batch, layout=LAYOUT)
        if device is not None:
            graph = graph >> fl.to_device(device)
        with graph.iterate(epochs=None, cpus=settings.cpus) as run:
            yield iter(run)

    also = [f"to_device({device!r})"] if device else []
    also += [f"bucket({bucket})"] if bucket else []
    return watched(", ".join(["flowload", *also]), "flowload", start)


def bare(corpus: Corpus, settings: Settings, *, bundles: bool) -> Loader:
    """No graph, no books: the call that the graph makes, into buffers in turn.

    Args:
        bundles: for as many batches at once as the graph, which nobody looks at one by one; else for each.
    """

    def measure(window: Window) -> Reading:
        workers = [Bare(corpus, settings, number, bundles=bundles) for number in range(settings.cpus)]
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

    return Loader("bare kernel, many batches a call" if bundles else "bare kernel", "bare", measure)


class Bare:
    """One thread, with every n-th batch, or bundle of batches."""

    def __init__(self, corpus: Corpus, settings: Settings, number: int, *, bundles: bool) -> None:
        self.order, self.size = random_order(len(corpus.order)), settings.batch
        self.table = corpus.records.open()
        self.number, self.step = number, settings.cpus
        fields = self.table.fields(LAYOUT, corpus.order[:1])
        most = len(self.order) // self.size
        together = min(most, how_many(batch_bytes(fields, self.size), swift=True)) if bundles else 1
        self.many = self.size * together
        pool = BufferPool()  # the memory that a run's own pool gives: aligned, in huge pages
        leases = (pool.lease(batch_bytes(fields, self.many)) for _ in range(ROTATION))
        self.buffers = [split_lease(memory, fields, self.many) for memory in leases]
        self.call = PlainCall((0, 0), 0)
        self.rows = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.make(0)

    def make(self, turn: int) -> dict[str, Any]:
        """What one call gives."""
        begin = turn % (len(self.order) // self.many) * self.many
        rows = self.order.select(slice(begin, begin + self.many))
        out = self.buffers[turn // self.step % ROTATION]
        made = self.table.write_many(LAYOUT, rows, self.size, out, self.call)
        assert made is not None  # noqa: S101 - these molecules are sound
        return {**out, **made.whole}

    def run(self) -> None:
        """Until stopped."""
        turn = self.number
        while not self.stopped:
            self.make(turn)
            self.rows += self.many
            turn += self.step
