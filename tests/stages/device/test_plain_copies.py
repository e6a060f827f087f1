from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from flowload.abc.operators import Map, Setting
from flowload.blocks import Batch
from flowload.errors import GraphError
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device.plain_copies import PlainCopies, find_device
from flowload.stages.device.to_device import ToDeviceStage
from tests.stages.fakes import FakeCall

CPU = torch.device("cpu")  # a copy to it is a copy all the same
SETTING = Setting(seed=0, epochs=1, cpus=2)


@pytest.fixture
def intel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of Intel's cards, and a Mac's GPU."""
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("mps", torch.device("mps")),
        ("mps:0", torch.device("mps", 0)),
        ("xpu", torch.device("xpu")),
        ("xpu:1", torch.device("xpu", 1)),
    ],
)
def test_the_stage_opens_plain_copies(intel: None, name: str, device: torch.device) -> None:
    declared = ToDeviceStage(target=name)
    (operator,) = declared.open(SETTING)
    assert isinstance(operator, PlainCopies)
    assert isinstance(operator, Map)
    assert operator.device == operator.shared.device == device
    assert declared.device(SETTING) is None  # nothing to page-lock
    assert not declared.bundles


def test_a_device_that_is_not_there_is_an_error(intel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GraphError, match=r"device is 'xpu:2', but torch .* finds xpu:0, xpu:1"):
        find_device("xpu:2")
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("xpu", "mps"):
        with pytest.raises(GraphError, match=f"device is '{name}', but torch .* finds no {name}"):
            ToDeviceStage(target=name).open(SETTING)


def test_a_batch_is_copied_and_its_lease_comes_back() -> None:
    pool, operator = BufferPool(), PlainCopies(CPU)
    pairs = np.arange(6)
    pairs.flags.writeable = False
    blocks, starts = [], []
    for k in range(3):
        x = pool.lease(64).view(np.float32)
        x[:] = k
        starts.append(x.ctypes.data)
        blocks.append(
            operator.apply(Batch({"x": x}, {"pairs": pairs, "own": np.arange(k)}, k > 0), FakeCall())
        )
        del x
    assert pool.stats().leased == 0  # while the copies are held
    for k, block in enumerate(blocks):
        given = block.deliver()
        assert list(given) == ["x", "pairs", "own"]
        assert (given["x"] == k).all()
        assert given["x"].data_ptr() not in starts
        assert given["own"].tolist() == list(range(k))
        assert block.more == (k > 0)
    assert len({id(block.whole["pairs"]) for block in blocks}) == 1


class NoDoubles:
    """What "mps" does with float64."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def to(self, *args: Any, **options: Any) -> torch.Tensor:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")


def test_numbers_that_the_device_does_not_know_are_named() -> None:
    operator: Any = PlainCopies(CPU)
    with pytest.raises(
        GraphError, match=r"'energy' cannot go to 'cpu': Cannot convert .*; convert it with fl.map"
    ):
        operator.copied({"x": torch.zeros(1), "energy": NoDoubles(torch.zeros(1))})


def test_what_is_no_batch_is_refused() -> None:
    with pytest.raises(GraphError, match="to_device takes batches"):
        PlainCopies(CPU).apply(np.zeros(3), FakeCall())


def test_shared_arrays_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    real = torch.Tensor.to

    def to(tensor: torch.Tensor, *args: Any, **options: Any) -> Any:
        asked.append(options["non_blocking"])
        return real(tensor, *args, **options)

    monkeypatch.setattr(torch.Tensor, "to", to)
    array = np.arange(3)
    array.flags.writeable = False
    PlainCopies(CPU).shared.get(array, "pairs")
    assert asked == [False]
