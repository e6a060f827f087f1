from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowload.blocks import Batch, Files
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.protocols import Deliverable, Map, Setting
from flowload.runtime.buffers import BufferPool
from flowload.stages import to_device as module
from flowload.stages.to_device import ToCpu, ToDeviceStage, to_device
from tests.stages.fakes import FakeCall

SETTING = Setting(seed=0, epochs=1, cpus=2)


def stage(graph: Graph) -> ToDeviceStage:
    declared = graph.nodes()[0].stage
    assert isinstance(declared, ToDeviceStage)
    return declared


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:12"])
def test_good_names(name: str) -> None:
    assert stage(to_device(name)).target == name


@pytest.mark.parametrize(
    "name", ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:01", "cuda:1 ", "mps", None, 0]
)
def test_a_bad_name_is_an_error_when_it_is_drawn(name: str) -> None:
    with pytest.raises(
        GraphError, match=r"to_device: device is '.*'; wanted 'auto', 'cpu', 'cuda' or a card"
    ):
        to_device(name)


def test_a_device_object_is_taken_by_its_name() -> None:
    torch = pytest.importorskip("torch")
    assert stage(to_device(torch.device("cuda", 1))).target == "cuda:1"


def test_parameters_are_printed_by_the_words_names() -> None:
    assert stage(to_device()).parameters() == {}
    assert stage(to_device("cpu", workers=2)).parameters() == {"device": "cpu", "workers": 2}


def test_it_takes_and_gives_batches() -> None:
    assert stage(to_device()).gives([Batch]) == {"out": Batch}
    assert Batch in ToDeviceStage.accepts
    assert Files not in ToDeviceStage.accepts


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_on_the_cpu_nothing_is_copied(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "may_have_gpu", lambda: False)
    pool = BufferPool()
    declared = stage(to_device(name))
    (operator,) = declared.open(SETTING)
    assert declared.device() is None
    assert isinstance(operator, ToCpu)
    assert isinstance(operator, Map)
    x = pool.lease(32).view(np.float32).reshape(2, 4)
    start = x.ctypes.data
    block = operator.apply(Batch({"x": x, "y": np.arange(2)}), FakeCall())
    assert len(block) == 2
    assert block.nbytes == 32 + 16
    assert isinstance(block, Deliverable)
    given = block.deliver()
    assert list(given) == ["x", "y"]
    assert given["x"].data_ptr() == start
    assert given["x"].shape == (2, 4)
    del x, block
    assert pool.stats().leased == 1
    given.clear()
    assert pool.stats().leased == 0


def test_batches_keep_the_order_of_their_arrays_and_share_what_they_shared() -> None:
    pairs = np.arange(6)
    pairs.flags.writeable = False
    operator = ToCpu()
    first, second = (
        operator.tensors(Batch({"x": np.zeros(2)}, {"pairs": pairs, "own": np.arange(3)}), FakeCall())
        for _ in "ab"
    )
    assert list(first.deliver()) == ["x", "pairs", "own"]
    assert list(first.arrays) == ["x"]
    assert first.whole["pairs"] is second.whole["pairs"]


def test_drawing_and_opening_without_a_gpu_imports_no_torch() -> None:
    code = """
import sys
from pathlib import Path
from flowload.stages import to_device
from flowload.protocols import Setting
to_device.DRIVERS = ()
for name in ("auto", "cpu", "cuda:1"):
    to_device.to_device(name)
for name in ("auto", "cpu"):
    stage = to_device.to_device(name).nodes()[0].stage
    assert stage.device() is None
    stage.open(Setting(seed=0, epochs=1, cpus=1))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_device_file_says_that_a_gpu_may_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(module, "DRIVERS", (tmp_path / "nvidiactl",))
    assert not module.may_have_gpu()
    (tmp_path / "nvidiactl").touch()
    assert module.may_have_gpu()


def test_elsewhere_torch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRIVERS", ())
    monkeypatch.setattr(sys, "platform", "win32")
    assert module.may_have_gpu()
