"""torch's DataLoader with worker processes: by sample, as its tutorials do, and by whole batch."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Event
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .craft import Arrays, ChunkRef, Craft, Records
from .order import Order
from .shuffle import Endless, Shuffle

__all__ = ["open_batches", "open_samples"]

Tensors = dict[str, torch.Tensor]
Opened = AbstractContextManager[Iterator[Mapping[str, Any]]]


class Games(IterableDataset[Tensors]):
    """What both have in common: each worker has its own games, and its share of the shuffle buffer."""

    def __init__(self, order: Order, craft: Craft, stop: Event) -> None:
        super().__init__()
        self.stop = stop
        self.order = order
        self.craft = craft

    def share(self) -> tuple[Sequence[ChunkRef], int, int]:
        """This worker's games, the size of its buffer, its number."""
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return self.order.chunks[number::count], self.order.reservoir // count, number

    def chunks(self) -> Iterator[Records]:
        """The records of this worker's games."""
        games, _, number = self.share()
        for game in Endless(games, number):
            if self.stop.is_set():
                return
            yield self.craft.read(game)


class Samples(Games):
    """One position after the other, through a buffer that changes one place at a time."""

    def __iter__(self) -> Iterator[Tensors]:
        _, size, number = self.share()
        rng = random.Random(number)
        waiting: list[Records] = []
        for records in self.chunks():
            for k in range(len(records)):
                record = records[k : k + 1]
                if len(waiting) < size:
                    waiting.append(record)
                    continue
                place = rng.randrange(size)
                record, waiting[place] = waiting[place], record
                yield as_tensors({key: array[0] for key, array in self.craft.arrays(record).items()})


class Batches(Games):
    """Whole batches: nothing is left for the loader to collate."""

    def __iter__(self) -> Iterator[Tensors]:
        _, size, number = self.share()
        shuffle = Shuffle(size, self.order.batch, number)
        for records in self.chunks():
            for batch in shuffle.push(records):
                yield as_tensors(self.craft.arrays(batch))


def as_tensors(arrays: Arrays) -> Tensors:
    """Tensors on the arrays' own memory."""
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def open_samples(order: Order, craft: Craft) -> Opened:
    """Samples, collated by the loader."""
    return opened(Samples, order, craft, order.batch)


def open_batches(order: Order, craft: Craft) -> Opened:
    """Batches as they are."""
    return opened(Batches, order, craft, None)


@contextmanager
def opened(
    kind: type[Games], order: Order, craft: Craft, batch: int | None
) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Processes of their own, started anew: a process with threads must not be forked."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    stop = context.Event()
    games = kind(order, craft, stop)
    loader = DataLoader(games, batch, num_workers=order.workers, multiprocessing_context=context)
    batches = iter(loader)
    try:
        yield batches
    finally:
        # A worker that is left in the middle of a batch aborts, loudly: let all come to their end.
        stop.set()
        for _ in batches:
            pass
