"""Grain: record by record through its window shuffle, or whole windows at a time; in processes or threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grain
import numpy as np
from absl import flags
from grain.experimental import (
    FlatMapIterDataset,
    FlatMapTransform,
    RebatchIterDataset,
    WindowShuffleIterDataset,
    multithread_prefetch,
)

from .craft import Craft, Records
from .order import Order

__all__ = ["open_records", "open_windows", "open_windows_in_threads"]

Opened = AbstractContextManager[Iterator[Mapping[str, Any]]]


class InRecords(FlatMapTransform):
    """A chunk's records, each by reference; the batch is what copies."""

    max_fan_out = 10_000

    def flat_map(self, element: Records) -> Sequence[Records]:
        """One after the other."""
        return list(element)


class Mixed:
    """The records of several chunks as one array, in random order."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, chunks: Sequence[Records]) -> Records:
        """Of all of them."""
        records = np.concatenate(chunks)
        return records[self.rng.permutation(len(records))]


def open_records(order: Order, craft: Craft) -> Opened:
    """Records through Grain's own shuffle and batch."""
    records = FlatMapIterDataset(chunks(order, craft), InRecords())
    mixed = WindowShuffleIterDataset(records, window_size=order.reservoir // order.workers, seed=0)
    return opened(mixed.batch(order.batch, batch_fn=np.stack), order, craft)


def open_windows(order: Order, craft: Craft) -> Opened:
    """As many chunks as fill the shuffle buffer are mixed in one call of numpy, and cut by Grain."""
    return opened(windows(order, craft), order, craft)


@contextmanager
def open_windows_in_threads(order: Order, craft: Craft) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The same in as many threads, each with its part of the games, into memory that is used again."""
    mark_flags()
    batches = windows(order, craft).map(craft.into_ring(order.batch, 2 * order.workers))
    iterator = iter(multithread_prefetch(batches, order.workers, 2))
    try:
        yield iterator
    finally:
        iterator.close()


def windows(order: Order, craft: Craft) -> Any:
    """Batches of records."""
    window = max(1, round(order.reservoir / order.workers / order.records))
    mixed = chunks(order, craft).batch(window, batch_fn=Mixed())
    return RebatchIterDataset(mixed, order.batch)


def chunks(order: Order, craft: Craft) -> Any:
    """Each worker has its own games."""
    games = grain.MapDataset.source(order.chunks).seed(0).shuffle().repeat().map(craft.read)
    return games.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))


@contextmanager
def opened(batches: Any, order: Order, craft: Craft) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Batches of records become arrays in the workers."""
    mark_flags()
    options = grain.MultiprocessingOptions(num_workers=order.workers, per_worker_buffer_size=2)
    iterator = iter(batches.map(craft.arrays).mp_prefetch(options))
    try:
        yield iterator
    finally:
        iterator.close()


def mark_flags() -> None:
    """Grain asks for its own, which only a program of absl's has read."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
