"""torch's DataLoader: a sample a molecule, padded when they are collated, in as many processes as CPUs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .plain import Molecules, constant
from .settings import Settings
from .vectors import Padder

__all__ = ["Fetched", "PadCollate", "Samples", "open_fetched", "open_loader"]


class Samples(Dataset[dict[str, Any]]):
    """One molecule a sample."""

    def __init__(self, corpus: Corpus) -> None:
        self.molecules = Molecules(corpus)
        self.size = len(corpus.order)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, row: int) -> dict[str, Any]:
        arrays = self.molecules.opened()
        begin, end = arrays["offsets"][row], arrays["offsets"][row + 1]
        return {"E": float(arrays["E"][row]), **{key: arrays[key][begin:end] for key in "ZRF"}}


class PadCollate:
    """Pads; pair indices are made once, and given by the reader's side: nobody would send them each time."""

    def __init__(self, slots: int) -> None:
        self.slots = slots

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """One batch."""
        count = len(samples)
        out = {
            "Z": torch.zeros(count, self.slots, dtype=torch.int32),
            "R": torch.zeros(count, self.slots, 3),
            "F": torch.zeros(count, self.slots, 3),
        }
        sizes = torch.tensor([len(sample["Z"]) for sample in samples], dtype=torch.int32)
        for place, sample in enumerate(samples):
            for key, padded in out.items():
                padded[place, : len(sample["Z"])] = torch.from_numpy(np.array(sample[key]))
        energies = torch.tensor([sample["E"] for sample in samples], dtype=torch.float64)
        return {**out, "E": energies, "N": sizes, "Qtot": torch.zeros(count, dtype=torch.float64)}


class Fetched(Dataset[dict[str, Any]]):
    """All molecules of a batch by a few calls of numpy, which torch looks for: `__getitems__`."""

    def __init__(self, corpus: Corpus) -> None:
        self.pad = Padder(corpus)
        self.size = len(corpus.order)

    def __len__(self) -> int:
        return self.size

    def __getitems__(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        return {key: torch.from_numpy(array) for key, array in self.pad(np.asarray(rows)).items()}


def as_it_is(batch: Any) -> Any:
    """Collated already."""
    return batch


def open_loader(corpus: Corpus, settings: Settings) -> AbstractContextManager[Batches]:
    """Molecule by molecule."""
    return opened(corpus, settings, Samples(corpus), PadCollate(corpus.num_atoms))


def open_fetched(corpus: Corpus, settings: Settings) -> AbstractContextManager[Batches]:
    """Batch by batch."""
    return opened(corpus, settings, Fetched(corpus), as_it_is)


@contextmanager
def opened(
    corpus: Corpus, settings: Settings, data: Dataset[Any], collate: Callable[[Any], Any]
) -> Iterator[Batches]:
    """It shuffles, and drops the last batch."""
    pairs = {
        key: torch.from_numpy(array) for key, array in constant(settings.batch, corpus.num_atoms).items()
    }
    loader = DataLoader(
        data,
        settings.batch,
        shuffle=True,
        drop_last=True,
        num_workers=settings.cpus,
        collate_fn=collate,
        multiprocessing_context=multiprocessing.get_context("spawn"),
        persistent_workers=True,
    )

    def batches() -> Iterator[dict[str, Any]]:
        while True:
            for batch in loader:
                yield {**batch, **pairs}

    running = batches()
    try:
        yield running
    finally:
        running.close()  # type: ignore[attr-defined] # a generator
