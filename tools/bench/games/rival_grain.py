"""Grain: a gather of whole batches in as many threads as CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grain
from numpy.typing import NDArray

from .corpus import Corpus
from .gathering import Gather, KernelGather, RingGather
from .loaders import Batches
from .settings import Settings

__all__ = ["open_dataset", "open_dataset_kernel"]

Opened = AbstractContextManager[Batches]


def open_dataset(corpus: Corpus, settings: Settings) -> Opened:
    """By numpy, into memory that is used again."""
    return opened(corpus, settings, RingGather(corpus.folders["uint8"], settings.batch, settings.cpus))


def open_dataset_kernel(corpus: Corpus, settings: Settings) -> Opened:
    """By our kernel."""
    return opened(corpus, settings, KernelGather(corpus.folders["uint8"], settings.batch, settings.cpus))


@contextmanager
def opened(corpus: Corpus, settings: Settings, gather: Gather) -> Iterator[Batches]:
    """Batches of one random order, themselves in a new order each pass."""
    gather.opened()
    size = settings.batch

    def batch(number: int) -> dict[str, NDArray[Any]]:
        return gather(corpus.order[number * size : (number + 1) * size])

    numbers = grain.MapDataset.range(len(corpus.order) // size).seed(0).shuffle().repeat()
    options = grain.ReadOptions(num_threads=settings.cpus, prefetch_buffer_size=2 * settings.cpus)
    iterator = iter(numbers.map(batch).to_iter_dataset(options))
    try:
        yield iterator
    finally:
        iterator.close()
