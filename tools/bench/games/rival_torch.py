"""torch's DataLoader: sample by sample, and with whole batches gathered by one call."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .gathering import Gather
from .loaders import as_order
from .settings import Settings

__all__ = ["open_fetched", "open_samples", "open_threads", "open_workers"]

Opened = AbstractContextManager[Batches]


class Samples(Dataset[dict[str, Any]]):
    """One position, as a published training script has it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.gather = Gather(folder)
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, row: int) -> dict[str, Any]:
        inputs, outputs = self.gather.opened()
        return {
            "inputs": torch.from_numpy(inputs[row].astype(np.float32)),
            "outputs": torch.tensor(int(outputs[row])),
        }


class Fetched(Samples):
    """All rows of a batch by one call, which torch looks for: `__getitems__`."""

    def __getitems__(self, rows: Any) -> dict[str, Any]:
        return {key: torch.from_numpy(array) for key, array in self.gather(np.asarray(rows)).items()}


class Wholes(Samples):
    """Whole batches: nothing is left to collate."""

    def __getitem__(self, rows: Any) -> dict[str, Any]:
        return {key: torch.from_numpy(array) for key, array in self.gather(np.asarray(rows)).items()}


class Threads(Samples):
    """Whole batches by torch's own operators, which use its own threads."""

    def __getitem__(self, rows: Any) -> dict[str, Any]:
        inputs, outputs = map(torch.from_numpy, self.gather.opened())
        numbers = torch.as_tensor(rows)
        return {"inputs": inputs[numbers].float(), "outputs": outputs[numbers].long()}


class Order:
    """Row numbers of batches, as arrays: lists of a BatchSampler would cost more than the gather."""

    def __init__(self, corpus: Corpus, size: int) -> None:
        self.corpus, self.size = corpus, size
        self.stopped = False

    def __iter__(self) -> Iterator[Any]:
        for rows in as_order(self.corpus, self.size, 0):
            if self.stopped:
                return
            yield rows


def open_samples(corpus: Corpus, settings: Settings) -> Opened:
    """As many worker processes as CPUs, sample by sample; the loader collates."""
    order = Order(corpus, settings.batch)
    data = Samples(corpus.folders["uint8"], len(corpus.order))
    return closed(DataLoader(data, batch_sampler=order, **in_workers(settings)), order)


def open_fetched(corpus: Corpus, settings: Settings) -> Opened:
    """As many worker processes as CPUs; a batch sampler's rows at once, nothing left to collate."""
    order = Order(corpus, settings.batch)
    data = Fetched(corpus.folders["uint8"], len(corpus.order))
    loader = DataLoader(data, batch_sampler=order, collate_fn=as_it_is, **in_workers(settings))
    return closed(loader, order)


def as_it_is(batch: Any) -> Any:
    """Collated already."""
    return batch


def open_workers(corpus: Corpus, settings: Settings) -> Opened:
    """As many worker processes as CPUs, each gathering whole batches."""
    order = Order(corpus, settings.batch)
    data = Wholes(corpus.folders["uint8"], len(corpus.order))
    return closed(DataLoader(data, batch_size=None, sampler=order, **in_workers(settings)), order)


def open_threads(corpus: Corpus, settings: Settings) -> Opened:
    """No worker processes: torch's operators run on its threads."""
    order = Order(corpus, settings.batch)
    data = Threads(corpus.folders["uint8"], len(corpus.order))
    return closed(DataLoader(data, batch_size=None, sampler=order), order)


def in_workers(settings: Settings) -> dict[str, Any]:
    """Processes of their own, started anew: a process with threads must not be forked."""
    context = multiprocessing.get_context("spawn")
    return {"num_workers": settings.cpus, "multiprocessing_context": context}


@contextmanager
def closed(loader: DataLoader[Any], order: Order) -> Iterator[Batches]:
    """A worker that is left in the middle of a batch aborts, loudly: let all come to their end."""
    batches = iter(loader)
    try:
        yield batches
    finally:
        order.stopped = True
        for _ in batches:
            pass
