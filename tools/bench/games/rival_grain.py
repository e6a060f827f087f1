"""Grain: a gather of whole batches in as many threads as CPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grain
import numpy as np
from numpy.typing import NDArray

from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .gathering import Gather, KernelGather, RingGather
from .settings import Settings

__all__ = ["by_number", "open_dataset", "open_dataset_kernel"]

Opened = AbstractContextManager[Batches]


def open_dataset(corpus: Corpus, settings: Settings) -> Opened:
    """By numpy, into memory that is used again."""
    return opened(corpus, settings, RingGather(corpus.folders["uint8"], settings.batch, settings.cpus))


def open_dataset_kernel(corpus: Corpus, settings: Settings) -> Opened:
    """By our kernel."""
    return opened(corpus, settings, KernelGather(corpus.folders["uint8"], settings.batch, settings.cpus))


@contextmanager
def opened(corpus: Corpus, settings: Settings, gather: Gather) -> Iterator[Batches]:
    """Rows of the files."""
    gather.opened()
    with by_number(gather, corpus.order, settings.batch, settings.cpus) as batches:
        yield batches


@contextmanager
def by_number(
    make: Callable[[NDArray[np.int64]], Mapping[str, Any]], order: NDArray[np.int64], size: int, threads: int
) -> Iterator[Batches]:
    """Batches of one random order, themselves in a new order each pass: what `make` gives of their rows."""

    def batch(number: int) -> Mapping[str, Any]:
        return make(order[number * size : (number + 1) * size])

    numbers = grain.MapDataset.range(len(order) // size).seed(0).shuffle().repeat()
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    iterator = iter(numbers.map(batch).to_iter_dataset(options))
    try:
        yield iterator
    finally:
        iterator.close()
