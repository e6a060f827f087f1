"""flowload, the roof above it (the same kernels, called by bare threads), and a Python loop a molecule."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import flowload as fl
from flowload.runtime.buffers import BufferPool
from flowload.stages.bundling import how_many
from flowload.stages.fields import batch_bytes, split_lease
from flowload.testing.call import PlainCall
from tools.bench.games.loaders import Batches, Loader, Reading, random_order, watched
from tools.bench.settings import Window

from .corpus import Corpus
from .settings import Settings

__all__ = ["Molecules", "bare", "flowload", "loop"]

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
        made = self.table.gather_many(LAYOUT, rows, self.size, out, self.call)
        assert made is not None  # noqa: S101 - these molecules are sound
        return {**out, **made.whole}

    def run(self) -> None:
        """Until stopped."""
        turn = self.number
        while not self.stopped:
            self.make(turn)
            self.rows += self.many
            turn += self.step


class Molecules:
    """The arrays of a folder by plain numpy; opened by whoever uses it."""

    def __init__(self, corpus: Corpus) -> None:
        self.folder, self.slots = corpus.folder, corpus.num_atoms
        self.arrays: dict[str, NDArray[Any]] = {}

    def opened(self) -> dict[str, NDArray[Any]]:
        """Memory-mapped, as plain arrays."""
        if not self.arrays:
            offsets = np.load(self.folder / "offsets.npy")
            shapes = {"Z_pack.int32": (), "R_pack.f32": (3,), "F_pack.f32": (3,), "E.f64": ()}
            for name, shape in shapes.items():
                kind = (
                    {"i": np.int32, "f": np.float32}[name.split(".")[1][0]] if name != "E.f64" else np.float64
                )
                mapped = np.memmap(self.folder / name, kind, "r")
                self.arrays[name[0]] = np.asarray(mapped).reshape(-1, *shape)
            self.arrays["offsets"] = offsets
        return self.arrays

    def pad(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """A batch without pairs, molecule by molecule, as published loaders make it."""
        arrays, count, slots = self.opened(), len(rows), self.slots
        offsets = arrays["offsets"]
        out: dict[str, NDArray[Any]] = {
            "Z": np.zeros((count, slots), np.int32),
            "R": np.zeros((count, slots, 3), np.float32),
            "F": np.zeros((count, slots, 3), np.float32),
            "E": arrays["E"][rows],
            "N": np.zeros(count, np.int32),
            "Qtot": np.zeros(count),
        }
        for place, row in enumerate(rows):
            begin, end = offsets[row], offsets[row + 1]
            for key in "ZRF":
                out[key][place, : end - begin] = arrays[key][begin:end]
            out["N"][place] = end - begin
        return out


def constant(count: int, slots: int) -> dict[str, NDArray[Any]]:
    """Pairs and segments, which a good loop makes once."""
    dst = np.repeat(np.arange(slots, dtype=np.int32), slots - 1)
    src = np.array([j for i in range(slots) for j in range(slots) if j != i], np.int32)
    begins = np.repeat(np.arange(count, dtype=np.int32) * slots, len(dst))
    segments = np.repeat(np.arange(count, dtype=np.int32), slots)
    return {
        "dst_idx": np.tile(dst, count) + begins,
        "src_idx": np.tile(src, count) + begins,
        "batch_segments": segments,
    }


def loop(corpus: Corpus, settings: Settings) -> Loader:
    """One thread, one molecule after the other; pair indices are made once."""

    @contextmanager
    def start() -> Iterator[Batches]:
        molecules, pairs = Molecules(corpus), constant(settings.batch, corpus.num_atoms)

        def batches() -> Batches:
            while True:
                for begin in range(0, len(corpus.order) - settings.batch + 1, settings.batch):
                    yield {**molecules.pad(corpus.order[begin : begin + settings.batch]), **pairs}

        yield batches()

    return watched("Python loop", "rival", start)
