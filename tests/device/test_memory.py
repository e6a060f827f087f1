"""`graph.memory()` beside what a run takes: of a card, and of page-locked memory; both within a tenth.

For a reader that is slower than the run, which then fills all the room that it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import sleep
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.formats.zarr.chunks import grid
from flowload.graph import Graph
from flowload.stages.device import card_memory, places
from tests.device.conftest import Install
from tests.device.flows import record
from tests.device.simulated.cards import Cards, Mode

BATCHES = 70
WINDOW = 2048 * 256 * 4  #: bytes


def batches(nbytes: int) -> Graph:
    """Of so many bytes each; the last one is smaller."""
    width = min(4096, nbytes) // 4
    rows = nbytes // (4 * width)
    data = np.zeros((1, width), np.float32).repeat(BATCHES * rows - rows // 2, 0)
    return fl.rows({"x": data}) >> fl.batch(rows)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(str(tmp_path_factory.mktemp("recording")), 8192, 256)


def read_slowly(graph: Graph, card: Cards, until: Callable[[], bool], cpus: int) -> None:
    """Read as a training step does that takes long: the run gets as far as it may meanwhile."""
    with graph.iterate(seed=1, cpus=cpus) as run:
        first = next(run)
        while not until():  # it comes
            sleep(0)
        del first
        for number, batch in enumerate(run):
            if number % 3 == 0:  # a kernel
                next(iter(batch.values())).sum()
    card.synchronize()


@pytest.mark.covering(2)
@pytest.mark.parametrize("cpus", [1, 8])
@pytest.mark.parametrize("nbytes", [4096, 100_000, 600_000, 1 << 20])
@pytest.mark.parametrize("mode", ["lazy", "prompt"])
def test_of_batches(mode: Mode, nbytes: int, cpus: int, cards: Install) -> None:
    card = cards(mode=mode)
    graph = batches(nbytes) >> fl.to_device("cuda", prefetch=1)
    told = graph.memory(cpus=cpus)["batch"]
    read_slowly(graph, card, lambda: card.peak_locked >= 0.9 * told, cpus)
    assert card.peak_locked <= 1.1 * told
    assert not card.faults


@pytest.mark.covering(2)
@pytest.mark.slow
@pytest.mark.parametrize("per_window", [None, 20])
@pytest.mark.parametrize(("cpus", "pieces", "most"), [(1, 1, 3), (8, 1, 3), (1, 8, 2), (8, 8, 2), (8, 4, 3)])
@pytest.mark.parametrize("mode", ["lazy", "prompt"])
def test_of_windows(
    mode: Mode,
    cpus: int,
    pieces: int,
    most: int,
    per_window: int | None,
    path: str,
    cards: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two are on the card; and page-locked two that are read by all workers, or one a worker, up to three."""
    monkeypatch.setattr(grid, "PIECE", WINDOW // pieces)
    card = cards(mode=mode)
    graph = fl.windows(path, 2048, count=24)
    if per_window:
        graph = graph >> fl.sample_within(64, steps=8, per_window=per_window)
    graph = graph >> fl.to_device("cuda", prefetch=1)
    told = graph.memory(cpus=cpus)
    assert told["read_windows"] == most * WINDOW
    read_slowly(graph, card, lambda: card.peak_locked >= 0.9 * most * WINDOW, cpus)
    assert card.peak_locked <= 1.1 * most * WINDOW
    assert 0.9 < card.memory[0].peak_reserved / told["to_device"] < 1.1
    assert not card.faults


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize(
    ("told", "lets_go", "most"), [(None, False, 3), (2, False, 3), (0, False, 2), (0, True, 1)]
)
def test_of_the_card(
    told: int | None, lets_go: bool, most: int, sampled: bool, path: str, cards: Install
) -> None:
    """Windows there: as many ahead as are read ahead, or what is said; 0: the current one alone."""
    card = cards(mode="prompt")
    graph = fl.windows(path, 2048, count=12, prefetch=2)
    if sampled:
        graph = graph >> fl.sample_within(64, steps=8, per_window=3)
    graph = graph >> fl.to_device("cuda", prefetch=told)
    each = 3 if sampled else 1
    with graph.iterate(seed=1, cpus=2) as run:
        for number in range(12 * each):
            batch = next(run)
            next(iter(batch.values())).sum()
            while told is None and number < 9 * each and card.memory[0].peak_reserved < 3 * WINDOW:
                sleep(0)
            if lets_go:
                del batch
    assert not card.faults
    peak = card.memory[0].peak_reserved / WINDOW
    assert most - 0.1 < peak < most + 0.3 if told is None or told == 0 else peak < most + 0.3


def test_batches_that_somebody_keeps_in_main_memory_stop_nothing(cards: Install) -> None:
    """A map between that never lets go of page-locked ones: the reader waits, so they are counted no more."""
    cards(mode="random")
    kept: list[object] = []

    def keeps(batch: dict[str, Any]) -> dict[str, Any]:
        kept.append(batch)
        return batch

    run = (batches(1 << 20) >> fl.map(keeps) >> fl.to_device("cuda")).iterate(cpus=1)
    seen: list[object] = []
    reader = threading.Thread(target=lambda: seen.extend(1 for _ in run), daemon=True)  # it may hang
    reader.start()
    reader.join(60)
    assert len(seen) == len(kept) == BATCHES
    run.__exit__(None, None, None)
    kept.clear()


@pytest.mark.slow
@pytest.mark.parametrize("what", [places.Places, card_memory.CardMemory])
def test_room_must_be_asked_for(what: Any, cards: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without, more is taken than was said."""
    monkeypatch.setattr(what, "room", lambda *_: True)
    card = cards(mode="prompt")
    graph = batches(1 << 20) >> fl.to_device("cuda", prefetch=1)
    told = graph.memory(cpus=2)
    if what is places.Places:
        read_slowly(graph, card, lambda: card.peak_locked > 1.5 * told["batch"], 2)
    else:
        read_slowly(graph, card, lambda: card.memory[0].peak_reserved > 1.5 * told["to_device"], 2)
