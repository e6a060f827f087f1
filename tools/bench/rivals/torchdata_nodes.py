"""torchdata.nodes: a chain of nodes, mapping in threads; the shuffle buffer is a node of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torchdata.nodes import BaseNode, IterableWrapper, Loader, ParallelMapper, Prefetcher

from .craft import Craft, Records
from .order import Order
from .shuffle import Endless, Shuffle

__all__ = ["open_nodes"]


class ShuffleNode(BaseNode):
    """Batches of records, from chunks of them."""

    def __init__(self, source: Any, shuffle: Shuffle) -> None:
        super().__init__()
        self.source = source
        self.shuffle = shuffle
        self.ready: list[Records] = []

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin at the beginning."""
        super().reset(initial_state)
        self.source.reset(None)

    def next(self) -> Records:
        """The next batch."""
        while not self.ready:
            self.ready.extend(self.shuffle.push(next(self.source)))
        return self.ready.pop(0)

    def get_state(self) -> dict[str, Any]:
        """Nothing: nobody resumes here."""
        return {}


@contextmanager
def open_nodes(order: Order, craft: Craft) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Threads for reading, threads for encoding."""
    chunks = ParallelMapper(
        IterableWrapper(Endless(order.chunks, 0)), craft.read, num_workers=order.workers, method="thread"
    )
    batches = ShuffleNode(chunks, Shuffle(order.reservoir, order.batch, 0))
    encode = craft.into_ring(order.batch, order.workers)
    arrays = ParallelMapper(batches, encode, num_workers=order.workers, method="thread")
    yield iter(Loader(Prefetcher(arrays, prefetch_factor=2)))
