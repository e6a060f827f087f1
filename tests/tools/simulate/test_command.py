"""The command: what a sample costs, tables, and what is wrong with a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowload.graph import load
from tools.simulate.check import check
from tools.simulate.command import main
from tools.simulate.costs import Costs, StageCost, measured, of_file
from tools.simulate.quantity import BYTES

COSTS = Costs((StageCost("read", 1e-6, 100), StageCost("batch", 4e-6, 30_000)), 1e-6, 100.0, 64.0)
PIPELINE = """
import flowload as fl
import numpy as np

@fl.pipeline
def numbers(*, rows: int = 4096, batch_size: int = 64) -> fl.Graph:
    return fl.rows({"x": np.zeros((rows, 16), np.float32)}) >> fl.batch(batch_size)
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.py"
    path.write_text(PIPELINE)
    return path


@pytest.mark.parametrize(
    ("word", "size"),
    [("100TB", 1e14), ("1.5 kB", 1500), ("2TiB", 2**41), ("25Gbit", 25e9 / 8), ("8bits/s", 1), ("7", 7)],
)
def test_quantities(word: str, size: float) -> None:
    assert BYTES.convert(word, None, None) == pytest.approx(size)


@pytest.mark.slow
def test_a_sample_costs_what_the_process_spends(pipeline: Path, tmp_path: Path) -> None:
    costs = measured(load(pipeline), seconds=0.3)
    assert [stage.name for stage in costs.stages] == ["rows", "batch"]
    assert costs.stages[-1].bytes_out == pytest.approx(64, rel=0.5)  # of moments while it runs
    assert costs.stored == pytest.approx(64, rel=0.5)
    assert costs.batch == 64
    assert not costs.called
    assert 0 < sum(stage.cpu for stage in costs.stages) <= costs.cpu
    costs.write(tmp_path / "costs.json")
    assert of_file(tmp_path / "costs.json") == costs


def test_a_table_of_trainers(tmp_path: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    COSTS.write(tmp_path / "costs.json")
    words = [
        str(pipeline),
        "--costs",
        str(tmp_path / "costs.json"),
        "--trainers",
        "1,64",
        "--simulated",
        "60",
    ]
    more = [
        "--store",
        "8Mbit",
        "--stored",
        "1GB",
        "--demand",
        "1000",
        "--simulated",
        "60",
        "--json",
        str(tmp_path / "found.json"),
    ]
    assert main([*words, *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["stage", "read", "batch", "outside"]
    assert [line.split()[-1] for line in lines[-2:]] == [
        "device",
        "store",
    ]  # 1,000 and 10,000 / 64 samples a second
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["trainers"] for row in found] == [1, 64]
    assert found[1]["ceiling"] == pytest.approx(10_000)
    assert main([*words, "--data-nodes", "4", "--cut", "read"]) == 0
    assert main([*words, "--sample-bytes", "1000", "--store", "8Mbit"]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--data-nodes", "4"], "--data-nodes and --cut belong together"),
        (["--cut", "read"], "--data-nodes and --cut belong together"),
        (["--data-nodes", "4", "--cut", "nothing"], "no such stage to cut behind"),
        (["--store", "fast"], "'fast' is no quantity"),
        (["--trainers", "1,x"], "wanted whole numbers from 1"),
    ],
)
def test_what_is_wrong_is_said(
    more: list[str], told: str, tmp_path: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    COSTS.write(tmp_path / "costs.json")
    assert main([str(pipeline), "--costs", str(tmp_path / "costs.json"), *more]) != 0
    assert told in capsys.readouterr().err


def test_other_files_are_no_costs(tmp_path: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "[1]", '{"stages": [{"name": "x"}]}'):
        (tmp_path / "costs.json").write_text(text)
        assert main([str(pipeline), "--costs", str(tmp_path / "costs.json")]) != 0
        assert "no costs" in capsys.readouterr().err


@pytest.mark.hammer
def test_processes_are_measured_at_once(pipeline: Path) -> None:
    (point,) = check(COSTS, pipeline, {"batch_size": 32}, seconds=0.2, counts=(2,))
    assert point.processes == 2
    assert point.cpus > 0
    assert point.reckoned == pytest.approx(point.cpus / 6e-6)
    assert point.reached > 0
    with pytest.raises(RuntimeError, match="ended before its first batch"):
        list(check(COSTS, pipeline, {"rows": -1}, seconds=0.2, counts=(1,)))
