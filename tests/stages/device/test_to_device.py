from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.abc.operators import Deliverable, Map, Setting
from flowload.blocks import Batch, Files
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device import to_device as module
from flowload.stages.device.to_cpu import ToCpu
from flowload.stages.device.to_device import ToDeviceStage, to_device
from tests.stages.fakes import FakeCall

SETTING = Setting(seed=0, epochs=1, cpus=2)


def stage(graph: Graph) -> ToDeviceStage:
    declared = graph.nodes()[0].stage
    assert isinstance(declared, ToDeviceStage)
    return declared


@pytest.mark.parametrize(
    "name", ["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:12", "mps", "mps:0", "xpu", "xpu:3"]
)
def test_good_names(name: str) -> None:
    assert stage(to_device(name)).target == name


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:01", "cuda:1 ", "mps:1", "xpu:", "hpu", None, 0],
)
def test_a_bad_name_is_an_error_when_it_is_drawn(name: str) -> None:
    with pytest.raises(
        GraphError, match=r"to_device: device is '.*'; wanted 'auto', 'cpu', 'cuda' or a card"
    ):
        to_device(name)


@pytest.mark.parametrize("prefetch", [-2, -1, 1.5, True, "2"])
def test_a_prefetch_is_a_number_of_batches(prefetch: Any) -> None:
    with pytest.raises(GraphError, match=r"prefetch is .*; wanted a number of batches from 0, or None"):
        to_device("cuda", prefetch=prefetch)


@pytest.mark.parametrize("name", ["cpu", "mps", "xpu:1"])
def test_only_a_card_has_a_prefetch(name: str) -> None:
    with pytest.raises(GraphError, match=r"prefetch is for cards .* on .* nothing is copied ahead by number"):
        to_device(name, prefetch=1)
    assert stage(to_device("cuda", prefetch=3)).parameters() == {"device": "cuda", "prefetch": 3}


def test_a_device_object_is_taken_by_its_name() -> None:
    device: Any = torch.device("cuda", 1)
    assert stage(to_device(device)).target == "cuda:1"


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
    assert declared.device(SETTING) is None
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


@pytest.mark.slow
def test_drawing_and_opening_without_a_gpu_imports_no_torch() -> None:
    code = """
import sys
from pathlib import Path
from flowload.stages.device import to_device
from flowload.abc.operators import Setting
to_device.DRIVERS = ()
setting = Setting(seed=0, epochs=1, cpus=1)
for name in ("auto", "cpu", "cuda:1"):
    to_device.to_device(name)
for name in ("auto", "cpu"):
    stage = to_device.to_device(name).nodes()[0].stage
    assert stage.device(setting) is None
    stage.open(setting)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


# --- "auto" without a card --------------------------------------------------------------------------


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux without a device file; torch is imported, by whomever, and must not be asked."""

    def never(*args: object) -> Any:
        raise AssertionError("torch.cuda was asked")

    for name in ("is_available", "device_count", "current_device", "get_device_name", "cudart", "init"):
        monkeypatch.setattr(torch.cuda, name, never)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(module, "DRIVERS", ())
    module.say_once.cache_clear()


def small(device: str) -> Graph:
    """Small batches, which go together where nothing forbids it."""
    rows = {"x": np.arange(4000, dtype=np.float32).reshape(1000, 4), "n": np.arange(1000)}
    return fl.rows(rows) >> fl.shuffle() >> fl.batch(8) >> fl.to_device(device)


def test_auto_without_a_card_is_built_as_the_cpu_is(nothing: None) -> None:
    built = {}
    for device in ("cpu", "auto"):
        plan = small(device).plan
        settings = [placed.setting(SETTING) for placed in plan.nodes]
        assert settings[-2].bundles  # that of batch
        opened = [placed.stage.open(setting) for placed, setting in zip(plan.nodes, settings, strict=True)]
        built[device] = [type(operator) for operators in opened for operator in operators]
    assert ToCpu in built["cpu"]
    assert built["auto"] == built["cpu"]


def test_auto_without_a_card_gives_bundles_and_asks_no_driver(
    nothing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    apply = ToCpu.apply

    def watched(self: ToCpu, block: Any, call: Any) -> Any:
        sizes.append(len(getattr(block, "bundled", (block,))))
        return apply(self, block, call)

    monkeypatch.setattr(ToCpu, "apply", watched)
    with small("auto").iterate(seed=1) as run:
        auto = [batch["n"].tolist() for batch in run]
    assert max(sizes) > 1
    assert sum(sizes) == len(auto) == 125
    with small("cpu").iterate(seed=1) as run:
        assert auto == [batch["n"].tolist() for batch in run]


def test_what_auto_chose_is_logged_once(
    nothing: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRIVERS", (Path("/nowhere/card"),))
    with caplog.at_level("INFO", "flowload"):
        for device in ("auto", "auto", "cpu"):
            stage(to_device(device)).open(SETTING)
    assert caplog.messages == ["to_device: 'auto' is the CPU: none of /nowhere/card is here"]
    assert caplog.records[0].levelname == "INFO"


def test_a_card_that_torch_cannot_use_leaves_auto_on_the_cpu_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.say_once.cache_clear()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(module, "DRIVERS", (tmp_path,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    declared = stage(to_device("auto"))
    assert declared.bundles
    with caplog.at_level("INFO", "flowload"):
        (operator,) = declared.open(SETTING)
    assert isinstance(operator, ToCpu)
    (line,) = caplog.messages
    assert line.startswith("to_device: 'auto' is the CPU: torch finds no GPU (CUDA_VISIBLE_DEVICES is '')")


def test_a_device_file_says_that_a_gpu_may_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(module, "DRIVERS", (tmp_path / "nvidiactl",))
    assert not module.has_gpu()
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert module.has_gpu()
    declared = stage(to_device("auto"))
    assert not declared.bundles


def test_the_device_files_are_those_of_every_kind_of_card() -> None:
    names = {path.name for path in module.DRIVERS}
    assert names == {"nvidiactl", "nvidia-uvm", "nvmap", "kfd", "dxg"}  # kfd: AMD's, by ROCm


def test_elsewhere_only_an_imported_torch_is_asked(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.say_once.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert module.has_gpu()
    monkeypatch.delitem(sys.modules, "torch")
    assert not module.has_gpu()
    with caplog.at_level("INFO", "flowload"):
        stage(to_device("auto")).open(SETTING)
    assert caplog.messages == ["to_device: 'auto' is the CPU: no CUDA on darwin"]


@pytest.mark.parametrize("name", ["rocm", "hip:0", "nvidia"])
def test_what_torch_calls_cuda_is_said(name: str) -> None:
    with pytest.raises(GraphError, match=f"device is '{name}'; torch calls it 'cuda'; wanted 'auto'"):
        to_device(name)
