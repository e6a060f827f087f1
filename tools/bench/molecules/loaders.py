"""flowload, and the roof above it: the same kernels, called by bare threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flowload as fl
from flowload.stages.batches.arrays.buffer_layout import batch_bytes
from flowload.stages.batches.bundle import how_many
from flowload.testing.call import PlainCall
from tools.bench.measuring.bare import Bare, bare_loader, random_order
from tools.bench.measuring.loader import Batches, Loader, watched

from .corpus import Corpus
from .settings import Settings

__all__ = ["bare", "flowload"]

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
    """The call that the graph makes, by bare threads.

    Args:
        bundles: for as many batches at once as the graph, which nobody looks at one by one; else for each.
    """
    cpus = settings.cpus

    def begin() -> list[BareMolecules]:
        return [BareMolecules(corpus, settings.batch, (k, cpus), bundles=bundles) for k in range(cpus)]

    return bare_loader("bare kernel, many batches a call" if bundles else "bare kernel", "bare", begin)


class BareMolecules(Bare):
    """One thread, with every n-th batch, or bundle of batches."""

    def __init__(self, corpus: Corpus, batch: int, place: tuple[int, int], *, bundles: bool) -> None:
        self.order, self.batch = random_order(len(corpus.order)), batch
        self.table = corpus.records.open()
        fields = self.table.fields(LAYOUT, corpus.order[:1])
        most = len(self.order) // batch
        together = min(most, how_many(batch_bytes(fields, batch), swift=True)) if bundles else 1
        super().__init__(fields, batch * together, place)
        self.call = PlainCall((0, 0), 0)
        self.make(0)

    def make(self, turn: int) -> dict[str, Any]:
        """What one call gives."""
        begin = turn % (len(self.order) // self.size) * self.size
        rows = self.order.select(slice(begin, begin + self.size))
        out = self.out(turn)
        made = self.table.write_many(LAYOUT, rows, self.batch, out, self.call)
        assert made is not None  # noqa: S101 - these molecules are sound
        return {**out, **made.whole}
