"""torchdata's `StatefulDataLoader` over a map-style data set, with its own samplers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.sampler import StatefulDistributedSampler

from .setting import Numbers, Place, chained

__all__ = ["open", "write"]


def write(folder: Path, numbers: Numbers, each: int) -> None:  # noqa: ARG001 - it is one file
    """One memory map."""
    np.save(folder / "x.npy", numbers)


class Mapped(Dataset[int]):
    """Row by row."""

    def __init__(self, folder: str) -> None:
        self.numbers = np.load(Path(folder, "x.npy"), mmap_mode="r")

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> int:
        return int(self.numbers[index])


def open(place: Place, state: Any) -> chained:  # noqa: A001 - what it does
    """A shuffle of one process, or the sampler for several; each rank goes on from its own state."""
    rows = Mapped(place.folder)
    if place.world == 1:
        loader = StatefulDataLoader(
            rows,
            batch_size=place.share,
            shuffle=True,
            num_workers=place.workers,
            generator=torch.Generator().manual_seed(0),
        )
        begin: Any = int
    else:
        sampler = StatefulDistributedSampler(rows, num_replicas=place.world, rank=place.rank, seed=0)
        loader = StatefulDataLoader(rows, batch_size=place.share, sampler=sampler, num_workers=place.workers)
        begin = sampler.set_epoch
    if state is not None:
        loader.load_state_dict(state["loader"])
    return chained(loader, begin, state["epoch"] if state else 0)
