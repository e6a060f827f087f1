"""The script that tries a card: dry, on the CPU; and that it would find what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import flowload as fl
from tools.gpu_check import checks, command, spies
from tools.gpu_check.bench import DRY, Bench
from tools.gpu_check.card import Card
from tools.gpu_check.findings import Finding, write_json
from tools.gpu_check.spies import PageLocks, late_copies

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Card(torch.device("cpu")), tmp_path, sizes=DRY)


@pytest.mark.hammer
def test_a_dry_run_makes_all_checks(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "gpu_check"), "--cpu", "-o", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert told["complete"]
    assert told["dry"]
    assert {row["check"] for row in told["findings"]} == set(checks.CHECKS)
    assert {row["result"] for row in told["findings"]} == {"PASS", "INFO"}
    lines = done.stdout.splitlines()
    assert sum(line.startswith("PASS  ") for line in lines) > 30
    assert "FAIL  " not in done.stdout
    assert lines[-1].startswith("This was a dry run on the CPU")
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


# --- what it would find -----------------------------------------------------------------------------


def corrupt(batch: dict[str, Any]) -> dict[str, Any]:
    batch["x"][0, 3] += 1
    return batch


def first_half_twice(batch: dict[str, Any]) -> dict[str, Any]:
    half = len(batch["n"]) // 2
    return {key: np.concatenate([value[:half], value[:half]]) for key, value in batch.items()}


@pytest.mark.slow
def test_right_batches_are_right(bench: Bench) -> None:
    assert not any(bench.wrong(bench.loaded(), hold=3, epochs=2))


def test_wrong_elements_rows_that_come_twice_and_never_are_counted(bench: Bench) -> None:
    wrong = bench.wrong(bench.source() >> fl.map(corrupt) >> fl.to_device("cpu"))
    batches = -(-DRY.rows // DRY.batch)
    assert wrong.elements == 2 * batches  # each is looked at when it comes, and when it goes
    assert (wrong.twice, wrong.never) == (0, 0)
    wrong = bench.wrong(bench.source(100) >> fl.map(first_half_twice) >> fl.to_device("cpu"))
    assert wrong == (0, DRY.rows // 2, DRY.rows // 2)


def test_a_batch_that_changes_while_it_is_held_is_found(bench: Bench) -> None:
    seen: list[Any] = []

    def spoil(batch: dict[str, Any]) -> dict[str, Any]:
        seen.append(batch["x"])
        if len(seen) == 10:
            seen[0][:] = 0  # as a lease that came back too early would
        return batch

    graph = bench.source() >> fl.to_device("cpu") >> fl.map(spoil, workers=1)
    assert bench.wrong(graph, hold=20).elements > 0


class Runtime:
    """A driver with a limit."""

    def __init__(self) -> None:
        self.room = 2

    def cudaHostRegister(self, start: int, nbytes: int, flags: int) -> int:  # noqa: N802
        self.room -= 1
        return 0 if self.room >= 0 else 2

    def cudaHostUnregister(self, start: int) -> int:  # noqa: N802
        return 0

    def other(self) -> str:
        return "as it is"


def test_page_locks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, locks = Runtime(), PageLocks()
    monkeypatch.setattr(torch.cuda, "cudart", lambda: driver)
    with locks.watched():
        cudart: Any = torch.cuda.cudart()
        assert [cudart.cudaHostRegister(k, 100, 1) for k in range(3)] == [0, 0, 2]
        assert (locks.count, locks.peak) == (2, 200)
        cudart.cudaHostUnregister(1)
        assert (locks.count, locks.peak) == (1, 200)
        locks.forget_peak()
        assert locks.peak == 100
        assert cudart.other() == "as it is"
    real: Any = torch.cuda.cudart()
    assert real is driver


class Busy(Card):
    """A card that tells when it is made busy."""

    waits: list[float]

    @property
    def real(self) -> bool:
        return True

    @property
    def cycles(self) -> float:
        return 1.0

    def busy(self, milliseconds: float) -> None:
        self.waits.append(milliseconds)


def test_copies_to_a_card_are_late_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[Any] = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *args, **options: went.append(args))
    monkeypatch.setattr(Busy, "waits", [], raising=False)
    tensor = torch.zeros(1)
    with late_copies(Busy(torch.device("cuda")), 3.0):
        tensor.to(torch.device("cuda", 0), non_blocking=True)
        tensor.to("cuda:1")
        tensor.to(device="cuda")
        assert Busy.waits == [3.0] * 3
        tensor.to("cpu")
        tensor.to(torch.float64)
        assert Busy.waits == [3.0] * 3
    assert len(went) == 5
    tensor.to("cuda")
    assert Busy.waits == [3.0] * 3


# --- how it tells -----------------------------------------------------------------------------------


def broken(_: Bench) -> Iterator[Finding]:
    yield Finding("first", True, {"a": 1})
    raise OSError("the card fell out")


def failed(_: Bench) -> Iterator[Finding]:
    yield Finding("second", False)


def test_what_fails_is_told_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHECKS", {"broken": broken, "failed": failed})
    out = tmp_path / "found.json"
    done = CliRunner().invoke(command.main, ["--cpu", "--only", "broken, failed", "-o", str(out)])
    assert done.exit_code == 1
    assert "PASS  first: a 1\n" in done.output
    assert "FAIL  broken could not be made: error OSError: the card fell out\n" in done.output
    assert "1 PASS, 2 FAIL, 0 INFO" in done.output
    rows = json.loads(out.read_text())["findings"]
    assert [row["result"] for row in rows] == ["PASS", "FAIL", "FAIL"]
    assert rows[0] == {"check": "broken", "result": "PASS", "name": "first", "facts": {"a": 1}}


def test_no_check_begins_when_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHECKS", {"failed": failed})
    monkeypatch.setattr(command, "MINUTES", -1)
    out = tmp_path / "found.json"
    done = CliRunner().invoke(command.main, ["--cpu", "--only", "failed", "-o", str(out)])
    assert done.exit_code == 1
    assert "FAIL  failed was not made: -1 minutes are over" in done.output


def test_findings_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "found.json"
    write_json(out, {"card": "one"}, [("check", Finding("name", None))])
    before = out.read_text()
    assert json.loads(before)["findings"][0]["result"] == "INFO"

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(out, {"card": "two"}, [])
    assert out.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_bad_words_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(command.main, ["--cpu", "--only", "speed"])
    assert done.exit_code == 2
    assert "no check is called speed; there are machine, correct" in " ".join(done.output.split())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = CliRunner().invoke(command.main, [])
    assert done.exit_code == 2
    assert "finds no card here" in done.output


def test_the_state_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/proc/self/status").exists():
        assert spies.process_facts("VmRSS", "NoSuchLine").keys() == {"VmRSS"}
    monkeypatch.setattr(spies, "Path", lambda path: SimpleNamespace(read_text=missing))
    assert spies.process_facts("VmRSS") == {}


def missing() -> str:
    raise FileNotFoundError
