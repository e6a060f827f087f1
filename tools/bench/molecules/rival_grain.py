"""Grain: whole batches in as many threads as CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tools.bench.games.rival_grain import by_number
from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .rival_threads import padder
from .settings import Settings

__all__ = ["open_dataset"]


@contextmanager
def open_dataset(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """Batches of one random order, themselves in a new order each pass."""
    with by_number(padder(corpus, settings), corpus.order, settings.batch, settings.cpus) as batches:
        yield batches
