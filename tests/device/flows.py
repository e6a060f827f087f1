"""Graphs that end on a card, and readers of them; what comes is compared with the same graph on a CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import zarr

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.graph import Graph
from flowload.sample import sample_path
from tests.device.simulated.cards import Cards
from tests.device.simulated.tensors import CardTensor, expect

__all__ = ["FLOWS", "READERS", "ROWS", "check", "read", "record", "rows", "windows"]

ROWS = 640
PIPELINES = Path(__file__).parents[2] / "pipelines"

Flow: TypeAlias = Callable[[str], Graph]


def data() -> dict[str, Any]:
    """Two arrays; rows differ from each other in both."""
    values = np.random.default_rng(0).standard_normal((ROWS, 37)).astype(np.float32)
    return {"x": values, "n": np.arange(ROWS)}


def host(size: int = 32) -> Graph:
    """Batches of rows, on the CPU."""
    return fl.rows(data()) >> fl.shuffle() >> fl.batch(size)


def rows(device: str, size: int = 32) -> Graph:
    """The same on a device."""
    return host(size) >> fl.to_device(device)


@cache
def record(folder: str, rows: int = 2048, columns: int = 128) -> str:
    """A recording whose windows of 512 rows take 256 KiB."""
    path = f"{folder}/timeseries.zarr"
    array = zarr.create_array(
        path, shape=(rows, columns), chunks=(256, columns), dtype="f4", compressors=None
    )
    array[:] = np.random.default_rng(1).standard_normal((rows, columns)).astype("f4")
    return path


def windows(path: str, device: str, *, size: int = 512, count: int = 8, **options: Any) -> Graph:
    """Windows that batches share; then to a device."""
    cut = fl.windows(path, size, count=count) >> fl.sample_within(64, steps=8)
    return cut >> fl.to_device(device, **options)


def even(batch: dict[str, Any]) -> Any:
    """Rows to keep, as the batch's own kind of mask."""
    return batch["n"] % 2 == 0


def twice(batch: dict[str, Any]) -> dict[str, Any]:
    """Work on the device, in the thread's current stream."""
    return {"x": batch["x"] * 2, "n": batch["n"] + 1}


async def awaited(batch: dict[str, Any]) -> dict[str, Any]:
    """The same, in the loop."""
    return twice(batch)


def molecules(device: str) -> Graph:
    """Batches with pairs of their own; the sizes vary."""
    records = PackedMolecules(sample_path("molecules"), num_atoms=26, pairs="real", cutoff=5.0)
    return fl.rows(records) >> fl.shuffle() >> fl.batch(64, layout="physnet") >> fl.to_device(device)


def all_pairs(device: str) -> Graph:
    """Batches that share their pairs."""
    records = PackedMolecules(sample_path("molecules"), num_atoms=26, pairs="batch")
    return fl.rows(records) >> fl.batch(64, layout="physnet") >> fl.to_device(device)


def shipped(name: str, **options: Any) -> Flow:
    """A pipeline that ships with the package, on its sample."""
    return lambda device: fl.load(PIPELINES / f"{name}.py", device=device, **options)


FLOWS: dict[str, Flow] = {
    "rows": rows,
    "small": lambda device: rows(device, 3),
    "tee": lambda device: (rows(device) >> fl.tee("a", "b")).drop("b"),
    "map": lambda device: rows(device) >> fl.map(lambda batch: batch),
    "kernels": lambda device: rows(device) >> fl.map(twice) >> fl.map(twice, workers=2),
    "awaited": lambda device: rows(device) >> fl.map(awaited),
    "filter": lambda device: rows(device) >> fl.filter(even),
    "mask": lambda device: rows(device) >> fl.filter(lambda batch: np.arange(len(batch["n"])) % 2 == 0),
    "twice": lambda device: rows(device) >> fl.to_device(device),
    "anew": lambda device: rows(device) >> fl.batch(16),
    "across": lambda device: rows(device) >> fl.batch(12) >> fl.batch(40),
    "values": lambda device: rows(device) >> fl.map(lambda batch: fl.blocks.Item((batch["x"], [batch["n"]]))),
    "molecules": molecules,
    "pairs": all_pairs,
    "chess": shipped("chess", batch_size=256),
    "games": shipped("games", batch_size=256),
    "physnet": shipped("molecules", batch_size=64),
}


def leaves(value: Any) -> list[Any]:
    """The arrays of what a reader got."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def check(batch: Any, wanted: list[Any], number: int) -> None:
    """Queue kernels that compare all that came."""
    found = leaves(batch)
    assert len(found) == len(wanted)
    for tensor, array in zip(found, wanted, strict=True):
        if isinstance(tensor, CardTensor):
            expect(tensor, array, f"batch {number}")
        else:
            assert np.array_equal(np.asarray(tensor), array)


def plain(cards: Cards, batches: Iterator[Any], wanted: list[list[Any]]) -> None:
    """Queues its kernels, and goes on."""
    count = 0
    for count, batch in enumerate(batches, 1):
        check(batch, wanted[count - 1], count - 1)
    assert count == len(wanted)


def slow(cards: Cards, batches: Iterator[Any], wanted: list[list[Any]]) -> None:
    """Waits for each step, two behind."""
    marks: deque[Any] = deque()
    for number, batch in enumerate(batches):
        check(batch, wanted[number], number)
        event = torch.cuda.Event()
        event.record()
        marks.append(event)
        if len(marks) > 2:
            marks.popleft().synchronize()


def holds(cards: Cards, batches: Iterator[Any], wanted: list[list[Any]]) -> None:
    """Keeps all batches, and looks at them in the end."""
    held = list(batches)
    assert len(held) == len(wanted)
    for number, batch in enumerate(held):
        check(batch, wanted[number], number)


def side(cards: Cards, batches: Iterator[Any], wanted: list[list[Any]]) -> None:
    """Works in a stream of its own."""
    cards.consumer = torch.cuda.Stream()  # type: ignore[assignment]  # a simulated one
    with using(cards):
        plain(cards, batches, wanted)


def breaks(cards: Cards, batches: Iterator[Any], wanted: list[list[Any]]) -> None:
    """Leaves in the midst."""
    for number, batch in enumerate(batches):
        check(batch, wanted[number], number)
        if number == 3:
            return


@contextmanager
def using(cards: Cards) -> Iterator[None]:
    """The consumer's stream is current."""
    stream: Any = cards.consumer
    context: AbstractContextManager[Any] = torch.cuda.stream(stream) if stream is not None else nullcontext()
    with context:
        yield


READERS = {"plain": plain, "slow": slow, "holds": holds, "side": side, "breaks": breaks}


def read(
    graph: Graph,
    cards: Cards,
    wanted: list[list[Any]],
    reader: str = "plain",
    seed: int = 1,
    *,
    process: bool = False,
) -> None:
    """Read a run of a graph."""
    with graph.iterate(seed=seed, process=process) as batches:
        READERS[reader](cards, iter(batches), wanted)
