"""Grain: records one by one through its window shuffle, batched by its `batch`, in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grain
import numpy as np
from grain.experimental import FlatMapIterDataset, FlatMapTransform, WindowShuffleIterDataset

from .craft import Craft, Records
from .order import Order

__all__ = ["open_dataset"]


class InRecords(FlatMapTransform):
    """A chunk's records, each by reference; the batch is what copies."""

    max_fan_out = 10_000

    def flat_map(self, element: Records) -> Sequence[Records]:
        """One after the other."""
        return list(element)


@contextmanager
def open_dataset(order: Order, craft: Craft) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Each worker has its own games, and its share of the shuffle buffer."""
    games = grain.MapDataset.source(order.chunks).seed(0).shuffle().repeat().map(craft.read)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    records = FlatMapIterDataset(games.to_iter_dataset(reading), InRecords())
    mixed = WindowShuffleIterDataset(records, window_size=order.reservoir // order.workers, seed=0)
    batches = mixed.batch(order.batch, batch_fn=np.stack).map(craft.encode)
    options = grain.MultiprocessingOptions(num_workers=order.workers, per_worker_buffer_size=2)
    iterator = iter(batches.mp_prefetch(options))
    try:
        yield iterator
    finally:
        iterator.close()
