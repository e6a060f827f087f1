"""Every training script in examples/: it learns, and goes on after a kill as if nothing had happened."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import flowload as fl

ROOT = Path(__file__).parents[2]

#: Tiny nets: what is asked is whether the script is right. Steps, and the number in the log that must fall.
SCRIPTS = {
    "lc0": (30, "policy", ["--batch-size", "16", "--width", "4", "--blocks", "1", "--learning-rate", "0.01"]),
    "nnue": (150, "loss", ["--batch-size", "512", "--width", "64", "--learning-rate", "0.01"]),
    "physnet_torch": (60, "force", ["--batch-size", "8", "--features", "16", "--interactions", "1"]),
    "latent": (60, "loss", ["--batch-size", "16", "--hidden", "16"]),
    "rows": (90, "loss", ["--batch-size", "32", "--width", "8"]),
}


def arguments(name: str, out: Path, *more: str) -> list[str]:
    """A command line that makes a checkpoint and a line at every third of the run."""
    steps, _, own = SCRIPTS[name]
    data = {
        "nnue": ["--packed", str(out.parent / "packed")],
        "rows": ["--data", str(out.parent / "own.zarr")],
    }
    known = ["--out", str(out), "--steps", str(steps), "--save-every", str(steps // 3), "--log-every", "1"]
    return [*known, *own, *data.get(name, []), *more]


def run(name: str, out: Path, *more: str) -> torch.nn.Module:
    """The script in this process."""
    model = importlib.import_module(f"examples.{name}").main(arguments(name, out, *more))
    assert isinstance(model, torch.nn.Module)
    return model


def killed(name: str, out: Path) -> None:
    """The script in a process of its own, until it is killed within its second checkpoint."""
    script = [sys.executable, "-m", "tests.examples.killed", name, str(torch.get_num_threads())]
    ended = subprocess.run(
        [*script, *arguments(name, out)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", ".checkpoint.pt.partial", "log.jsonl"}


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def differing(one: torch.nn.Module, other: torch.nn.Module) -> list[str]:
    """Parameters and buffers that are not the same to the last bit."""
    mine, yours = one.state_dict(), other.state_dict()
    assert mine.keys() == yours.keys()
    return [name for name, value in mine.items() if not torch.equal(value, yours[name])]


@pytest.mark.hammer
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_learns_and_a_kill_changes_nothing(name: str, tmp_path: Path) -> None:
    steps, word, _ = SCRIPTS[name]
    whole = run(name, tmp_path / "whole")
    losses = [line[word] for line in log(tmp_path / "whole") if word in line]
    assert len(losses) == steps
    third = steps // 3
    assert sum(losses[-third:]) < 0.97 * sum(losses[:third])

    out = tmp_path / "killed"
    killed(name, out)
    resumed = run(name, out)
    assert differing(whole, resumed) == []
    again = [line["step"] for line in log(out) if line.get("resumed")]
    assert again == [third]
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", "log.jsonl"}
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload")] == []

    assert differing(resumed, run(name, out)) == []  # there is nothing left to do
    assert log(out)[-1] == {"epoch": log(out)[-1]["epoch"], "step": steps, "resumed": True}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnue", "rows"])
def test_it_validates_and_ends_after_its_epochs(name: str, tmp_path: Path) -> None:
    run(name, tmp_path / "out", "--steps", "100000", "--epochs", "2", "--batch-size", "512")
    valid = [line for line in log(tmp_path / "out") if "valid loss" in line]
    assert [line["epoch"] for line in valid] == [0, 1]
    assert all(0 < line["valid loss"] < 3 and 0 < line["valid right"] < 1 for line in valid)
    before = (tmp_path / "out/checkpoint.pt").read_bytes()
    run(name, tmp_path / "out", "--steps", "100000", "--epochs", "2", "--batch-size", "512")
    assert (tmp_path / "out/checkpoint.pt").read_bytes() == before


@pytest.mark.slow
def test_waits_are_told_by_epoch(tmp_path: Path) -> None:
    run("latent", tmp_path, "--steps", "100000", "--epochs", "2", "--passes", "1")
    told = [line for line in log(tmp_path) if "valid loss" in line]
    assert [line["windows"] for line in told] == [9, 9]  # of 10, the first is told apart
    assert all(line["mean ms"] <= line["longest ms"] and line["first ms"] > 0 for line in told)


@pytest.mark.slow
def test_rows_of_hdf5_and_of_zarr_are_the_same(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    one, other = (
        run("rows", tmp_path / kind, "--steps", "6", "--data", str(tmp_path / f"own.{kind}"))
        for kind in ("h5", "zarr")
    )
    assert differing(one, other) == []
    assert {path.name for path in tmp_path.iterdir()} == {"h5", "zarr", "own.h5", "own.zarr"}


def test_hdf5_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SystemExit, match="pip install 'flowload\\[hdf5\\]'"):
        run("rows", tmp_path / "out", "--data", str(tmp_path / "own.h5"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--batch-size", "0"], "argument --batch-size: 0 is less than 1"),
        (["--epochs", "many"], "argument --epochs: invalid number value: 'many'"),
        (["--bathc-size", "3"], "unrecognized arguments: --bathc-size 3"),
    ],
)
def test_what_no_option_takes(
    name: str, option: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(name, tmp_path / "out", *option)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("lc0", "nowhere"), ("nnue", "nowhere"), ("physnet_torch", "nowhere"), ("latent", "nowhere")],
)
def test_data_that_are_not_there(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises((fl.FlowloadError, FileNotFoundError), match=told):
        run(name, tmp_path / "out", "--data", str(tmp_path / "nowhere"))
    assert not (tmp_path / "out/checkpoint.pt").exists()


@pytest.mark.slow
def test_another_batch_size_in_the_middle_of_a_pass(tmp_path: Path) -> None:
    run("rows", tmp_path / "out", "--steps", "4")
    with pytest.raises(fl.FlowloadError, match="state"):
        run("rows", tmp_path / "out", "--steps", "8", "--batch-size", "7")
    with pytest.raises(RuntimeError, match="size mismatch"):
        run("rows", tmp_path / "out", "--steps", "8", "--width", "5")


@pytest.mark.slow
def test_another_learning_rate_is_taken(tmp_path: Path) -> None:
    run("rows", tmp_path / "one", "--steps", "4")
    run("rows", tmp_path / "two", "--steps", "4")
    one = run("rows", tmp_path / "one", "--steps", "8")
    assert differing(one, run("rows", tmp_path / "two", "--steps", "8", "--learning-rate", "0.1")) != []
