"""PhysNet-like models: rotations change no energy and turn the forces; the JAX script learns and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from examples import physnet_torch as script

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 45, 15
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}
TINY = ["--batch-size", "8", "--features", "8", "--interactions", "1", "--learning-rate", "0.003"]
FEW = ["--shapes", "2"]


@pytest.mark.slow
def test_rotations_in_torch(tmp_path: Path) -> None:
    model = script.main(["--out", str(tmp_path), "--steps", "5", "--features", "16"])
    model.eval()
    options = script.parse(["--out", str(tmp_path)])
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.manual_seed(3)))[0]
    with script.graphs(options, "cpu")[1].iterate() as batches:
        batch = next(batches)
    energy, force = model.energies_and_forces(batch)
    energy2, force2 = model.energies_and_forces({**batch, "R": batch["R"] @ rotation.T})
    torch.testing.assert_close(energy2, energy, rtol=1e-6, atol=1e-2)
    torch.testing.assert_close(force2, force @ rotation.T, rtol=1e-3, atol=1e-2)
    assert (force[batch["Z"] == 0] == 0).all()
    step = torch.zeros_like(batch["R"])
    step[:, 0, 0] = 1e-2
    up, down = (model(batch, batch["R"] + sign * step) for sign in (1, -1))
    torch.testing.assert_close((down - up) / 2e-2, force[:, 0, 0], rtol=2e-2, atol=0.2)


@pytest.mark.hammer
@pytest.mark.skipif(find_spec("jax") is None, reason="no jax")
def test_jax_learns_and_a_kill_changes_nothing(tmp_path: Path) -> None:
    def child(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"tests.examples.{module}", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **QUICK},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    own = ["--steps", str(STEPS), "--save-every", str(EVERY), "--log-every", "1", *TINY, *FEW]
    killed = child("killed", "physnet_jax", "-", "--out", str(tmp_path / "killed"), *own)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    assert names == {"checkpoint.npz", ".checkpoint.npz.partial", "log.jsonl"}
    learned = child("jax_child", str(tmp_path), str(STEPS), str(EVERY), *own)
    assert learned.returncode == 0, learned.stderr
