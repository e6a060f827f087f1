"""flowload with few shapes, as a compiler wants them: slots, budgets, and room for real pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from tools.bench.measuring.loader import Batches, Loader, watched

from .corpus import Corpus
from .settings import Settings

__all__ = ["shaped"]

SLOTS = 4
CUTOFF = 2.0  #: Å; positions are normal, so that an atom has about a third of the others near
SAMPLE = 1 << 12  #: molecules whose pairs say how much room batches get


def shaped(corpus: Corpus, settings: Settings) -> list[Loader]:
    """Each beside the same without: buckets, and pairs as many as there are."""
    slots = fl.best_slots(corpus.records.sizes(), SLOTS)
    budget = settings.batch * corpus.num_atoms
    near = PackedMolecules(corpus.folder, corpus.num_atoms, "real", CUTOFF)
    room = capacity(near, settings.batch)
    roomy = PackedMolecules(corpus.folder, corpus.num_atoms, "real", CUTOFF, edges=room, too_many_edges="cut")
    mixed = fl.rows(PackedMolecules(corpus.folder, slots)) >> fl.shuffle()
    buckets = fl.bucket(64 * settings.batch, shuffle_batches=True)
    return [
        started(
            f"{SLOTS} slots, bucket, in no order", mixed >> buckets >> fl.batch(settings.batch), settings
        ),
        started(f"{SLOTS} slots, batch(atoms={budget})", mixed >> fl.batch(atoms=budget), settings),
        started("pairs within a cutoff", fl.rows(near) >> fl.shuffle() >> fl.batch(settings.batch), settings),
        started(
            f"pairs within a cutoff, edges={room}",
            fl.rows(roomy) >> fl.shuffle() >> fl.batch(settings.batch),
            settings,
        ),
        started(
            f"pairs within a cutoff, batch(edges={room})",
            fl.rows(roomy) >> fl.shuffle() >> fl.batch(edges=room),
            settings,
        ),
    ]


def capacity(records: PackedMolecules, batch: int) -> int:
    """Room for the pairs of nearly all batches of so many."""
    table = records.open()
    try:
        counts = table.pair_counts(np.arange(min(SAMPLE, len(table))))
    finally:
        table.close()
    return int(batch * counts.mean() + 6 * np.sqrt(batch) * counts.std())


def started(name: str, graph: fl.Graph, settings: Settings) -> Loader:
    """A graph as a contender."""

    @contextmanager
    def start() -> Iterator[Batches]:
        with graph.iterate(epochs=None, cpus=settings.cpus) as run:
            yield iter(run)

    return watched(f"flowload, {name}", "flowload", start)
