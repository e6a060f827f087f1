"""Trainings that are killed go on from checkpoints of their own trainers: the same batches and weights."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.test_elastic import environment

CHILD = Path(__file__).parent / "children" / "killed_trainer.py"
LIMIT = 200  #: seconds of one training


def trained(kind: str, folder: Path, at: int) -> tuple[int, str]:
    """How it ended, and the last line that it printed: its weights."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(CHILD), kind, str(folder), str(at)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=environment(),
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.strip().rpartition("\n")[2]


def seen(folder: Path) -> list[list[str]]:
    """The batches of every process, in turn."""
    return [path.read_text().split() for path in sorted(folder.glob("seen-*"))]


@pytest.mark.hammer  # four processes with torch and a trainer
@pytest.mark.parametrize("kind", ["lightning", "transformers", "torch"])
def test_a_training_that_is_killed_twice_is_the_same(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip(kind)
    if kind == "transformers":
        pytest.importorskip("accelerate")
    once, broken = tmp_path / "once", tmp_path / "broken"
    _, weights = trained(kind, once, -1)
    assert [trained(kind, broken, at)[0] for at in (17, 38)] == [-signal.SIGKILL] * 2
    status, again = trained(kind, broken, -1)
    (whole,) = seen(once)
    first, second, third = seen(broken)
    assert (first, second, third) == (whole[:17], whole[10:48], whole[40:])
    assert (status, again) == (0, weights)
