"""How fast: against the card's own ceiling, torch's pinned DataLoader, and kernels that run meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import flowload as fl

from .bench import Bench
from .findings import Finding

__all__ = ["bandwidth", "overlap"]

PARTS = 64  #: batches of the table
GB = 1e9


def table(bench: Bench) -> NDArray[np.float32]:
    """Rows that are wide enough for the card's link to be what limits."""
    made = np.ones((bench.sizes.fast_rows, bench.sizes.fast_width), np.float32)
    made[:, 0] = np.arange(len(made))
    return made


def rate(bench: Bench, act: Callable[[], int]) -> float:
    """GB/s of something that tells its bytes."""
    bench.card.wait()
    began = time.perf_counter()
    nbytes = act()
    bench.card.wait()
    return nbytes / (time.perf_counter() - began) / GB


def ceiling(bench: Bench, rows: int) -> float:
    """GB/s of copies from one pinned buffer, and nothing else."""
    host = torch.empty(rows, bench.sizes.fast_width, pin_memory=bench.card.real)
    there = torch.empty(rows, bench.sizes.fast_width, device=bench.card.device)

    def act() -> int:
        for _ in range(PARTS):
            there.copy_(host, non_blocking=True)
        return PARTS * host.nbytes

    rate(bench, act)
    return rate(bench, act)


def ours(array: NDArray[Any], size: int, device: str, epochs: int) -> int:
    """Bytes that flowload brought."""
    graph = fl.rows({"x": array}) >> fl.shuffle() >> fl.batch(size) >> fl.to_device(device)
    with graph.iterate(seed=0, epochs=epochs) as run:
        return sum(batch["x"].nbytes for batch in run)


class Table(torch.utils.data.Dataset[torch.Tensor]):
    """Rows as torch's users write it, who know that a batch may be fetched at once."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> torch.Tensor:
        return torch.from_numpy(self.array[index])

    def __getitems__(self, indices: list[int]) -> torch.Tensor:
        """A batch."""
        return torch.from_numpy(self.array[indices])


def as_it_is(batch: Any) -> Any:
    """`Table` gives whole batches."""
    return batch


def theirs(bench: Bench, array: NDArray[np.float32], size: int) -> int:
    """Bytes that torch's DataLoader brought, with the settings that its documentation advises."""
    loader = torch.utils.data.DataLoader(
        Table(array),
        batch_size=size,
        shuffle=True,
        num_workers=min(bench.sizes.processes, os.cpu_count() or 1),
        pin_memory=bench.card.real,
        collate_fn=as_it_is,
    )
    return sum(batch.to(bench.card.device, non_blocking=True).nbytes for batch in loader)


def bandwidth(bench: Bench) -> Iterator[Finding]:
    """Shuffled batches from memory to the card: GB/s of each way."""
    array = table(bench)
    size, epochs = len(array) // PARTS, 3 if bench.card.real else 1
    ours(array, size, bench.device, 1)  # compiles
    rates = {
        "ceiling": ceiling(bench, size),
        "flowload": rate(bench, lambda: ours(array, size, bench.device, epochs)),
        "flowload to the CPU": rate(bench, lambda: ours(array, size, "cpu", epochs)),
        "torch DataLoader, pinned": rate(bench, lambda: theirs(bench, array, size)),
    }
    facts: dict[str, Any] = {f"{key} GB/s": round(value, 2) for key, value in rates.items()}
    facts["of the ceiling"] = f"{rates['flowload'] / rates['ceiling']:.0%}"
    facts["batch MB"] = round(size * bench.sizes.fast_width * 4 / 1e6, 1)
    yield Finding("memory to card, shuffled", None, facts)


def overlap(bench: Bench) -> Iterator[Finding]:
    """Copies beside kernels: both together take little more than the longer of them alone."""
    array = table(bench)[: bench.sizes.fast_rows // 2]
    width, size = bench.sizes.fast_width, len(array) // PARTS
    graph = fl.rows({"x": array}) >> fl.batch(size) >> fl.to_device(bench.device)
    weights = torch.randn(width, width, device=bench.card.device)
    fixed = torch.randn(size, width, device=bench.card.device)

    def seconds(batches: Iterable[torch.Tensor], products: int) -> float:
        bench.card.wait()
        began = time.perf_counter()
        for x in batches:
            for _ in range(products):
                torch.mm(x, weights)
        bench.card.wait()
        return time.perf_counter() - began

    def loading(products: int) -> float:
        with graph.iterate(seed=0, epochs=2) as run:
            return seconds((batch["x"] for batch in run), products)

    loading(0)
    load, one = loading(0), seconds([fixed] * 2 * PARTS, 1)
    products = max(1, min(200, round(load / one))) if bench.card.real else 1
    kernels = seconds([fixed] * 2 * PARTS, products)
    both = loading(products)
    longer = max(load, kernels)
    facts = {
        "loading s": round(load, 3),
        "kernels s": round(kernels, 3),
        "both s": round(both, 3),
        "of the longer": f"{both / longer:.2f} x",
    }
    yield Finding("copies beside kernels", both < 1.25 * longer if bench.card.real else None, facts)
