"""Windows of recordings on a card: those that a function loads, and those in halves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from tests.device.conftest import Install
from tests.device.flows import host, leaves, read, record, rows
from tests.device.simulated.cards import MODES, Mode

DATA = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)


def wanted(graph: fl.Graph) -> list[list[Any]]:
    """What comes on the CPU."""
    with graph.iterate(seed=1) as batches:
        return [[leaf.numpy().copy() for leaf in leaves(batch)] for batch in batches]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", ["plain", "slow", "holds", "breaks"])
def test_what_a_function_loads_goes_through_a_ring(reader: str, mode: Mode, cards: Install) -> None:
    def graph(device: str) -> fl.Graph:
        windows = fl.windows(lambda a, b: (DATA[a:b], np.array([a])), 50, total=200, count=12)
        return windows >> fl.to_device(device)

    expected = wanted(graph("cpu"))
    card = cards(mode=mode)
    read(graph("cuda"), card, expected, reader)
    assert not card.faults
    assert 0 < card.registered <= (12 if reader == "holds" else 3)


def test_halves_take_half_of_the_card(tmp_path: Path, cards: Install) -> None:
    path = record(str(tmp_path), 2048, 512)
    graph = fl.windows(path, 1024, count=4, dtype="float16")
    expected = wanted(graph >> fl.to_device("cpu"))
    card = cards(mode="random")
    read(graph >> fl.to_device("cuda"), card, expected)
    assert not card.faults


@pytest.mark.parametrize(("dtype", "one"), [(None, 4.057e9), ("float16", 2.029e9)])
def test_the_memory_of_a_whole_recording_is_what_its_users_count_on(
    dtype: str | None, one: float, tmp_path: Path
) -> None:
    """967,680 rows of 13,741 neurons and of 1,736 of a stimulus, in windows of 65,536: 12.2 GB, or half."""
    arrays = {}
    for name, wide in (("data", 13_741), ("stimulus", 1_736)):
        arrays[name] = tmp_path / f"{name}.zarr"
        zarr.create_array(
            str(arrays[name]), shape=(967_680, wide), chunks=(8192, wide), dtype="f4", compressors=None
        )
    windows = fl.windows(arrays, 65_536, dtype=dtype)
    assert windows.memory()["read_windows"] == pytest.approx(3 * one, rel=0.01)
    ahead = (windows >> fl.to_device("cuda")).memory()
    assert ahead["to_device"] == pytest.approx(3 * one, rel=0.01)
    assert ahead["read_windows"] == pytest.approx(2 * one, rel=0.01)
    alone = (windows >> fl.to_device("cuda", prefetch=0)).memory()
    assert alone["to_device"] == pytest.approx(one, rel=0.01)
    assert alone["read_windows"] == pytest.approx(3 * one, rel=0.01)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", ["plain", "slow", "holds", "side"])
def test_nothing_ahead_of_the_current_batch(reader: str, mode: Mode, cards: Install) -> None:
    expected = wanted(rows("cpu"))
    card = cards(mode=mode)
    read(host() >> fl.to_device("cuda", prefetch=0), card, expected, reader)
    assert not card.faults
