"""torch's DataLoader: sample by sample, and with whole batches gathered by one call."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from .corpus import Corpus
from .gathering import Gather
from .loaders import Batches, as_order
from .settings import Settings

__all__ = ["open_samples", "open_threads", "open_workers"]


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
    """Row numbers of batches as arrays: lists of a BatchSampler would cost more than the gather."""

    def __init__(self, corpus: Corpus, size: int) -> None:
        self.corpus, self.size = corpus, size

    def __iter__(self) -> Iterator[Any]:
        return as_order(self.corpus, self.size, 0)


def endless(loader: DataLoader[Any]) -> Batches:
    """Pass after pass."""
    while True:
        yield from loader


@contextmanager
def open_samples(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """As many worker processes as CPUs; the loader shuffles and collates."""
    data = Samples(corpus.folders["uint8"], len(corpus.order))
    with closed(
        DataLoader(
            data,
            settings.batch,
            shuffle=True,
            num_workers=settings.cpus,
            multiprocessing_context=multiprocessing.get_context("spawn"),
            persistent_workers=True,
        )
    ) as batches:
        yield batches


@contextmanager
def open_workers(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """As many worker processes as CPUs, each gathering whole batches."""
    data = Wholes(corpus.folders["uint8"], len(corpus.order))
    with closed(
        DataLoader(
            data,
            batch_size=None,
            sampler=Order(corpus, settings.batch),
            num_workers=settings.cpus,
            multiprocessing_context=multiprocessing.get_context("spawn"),
            persistent_workers=True,
        )
    ) as batches:
        yield batches


@contextmanager
def open_threads(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """No worker processes: torch's operators run on its threads."""
    data = Threads(corpus.folders["uint8"], len(corpus.order))
    loader = DataLoader(data, batch_size=None, sampler=Order(corpus, settings.batch))
    with closed(loader) as batches:
        yield batches


@contextmanager
def closed(loader: DataLoader[Any]) -> Iterator[Batches]:
    """Workers end when nobody holds the loader any more."""
    batches = endless(loader)
    try:
        yield batches
    finally:
        batches.close()  # type: ignore[attr-defined] # a generator
