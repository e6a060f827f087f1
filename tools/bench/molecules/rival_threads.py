"""No library at all: one thread, or several and a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tools.bench.games.rival_threads import in_threads
from tools.bench.measuring.loader import Batches
from tools.bench.measuring.ring import places

from .corpus import Corpus, as_order
from .plain import constant
from .settings import Settings
from .vectors import RingPadder

__all__ = ["open_one", "open_threads", "padder"]


def padder(corpus: Corpus, settings: Settings) -> RingPadder:
    """For as many threads as CPUs, its files open, its pairs made."""
    made = RingPadder(
        corpus, settings.batch, places(settings.cpus), constant(settings.batch, corpus.num_atoms)
    )
    made.molecules.opened()
    return made


@contextmanager
def open_one(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """In the reader's own thread."""
    yield map(padder(corpus, settings), as_order(corpus, settings.batch))


@contextmanager
def open_threads(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """As many threads as CPUs."""
    order = as_order(corpus, settings.batch)
    with in_threads(padder(corpus, settings), order, settings.cpus) as batches:
        yield batches
