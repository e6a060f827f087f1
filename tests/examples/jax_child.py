"""The script in JAX, in a process of its own: `jax_child.py FOLDER STEPS EVERY OPTIONS...`.

The run in FOLDER/killed was killed after its first checkpoint.

JAX starts threads that a fork does not survive, so it stays out of the tests' own process.
"""

from __future__ import annotations

import json
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flowload as fl
from examples import physnet_jax as script


def main(folder: str, steps: int, every: int, *own: str) -> None:
    whole = script.main(["--out", f"{folder}/whole", *own])
    losses = [line["loss"] for line in log(folder, "whole") if "loss" in line]
    assert len(losses) == steps
    # Of batches of small molecules some are far off: a few of these have energies of another theory.
    assert np.median(losses[-every:]) < 0.9 * np.median(losses[:every]), losses

    resumed = script.main(["--out", f"{folder}/killed", *own])
    same(whole, resumed)
    assert [line["step"] for line in log(folder, "killed") if line.get("resumed")] == [every]
    assert {path.name for path in Path(folder, "killed").iterdir()} == {"checkpoint.npz", "log.jsonl"}
    assert script.update._cache_size() == 2  # type: ignore[attr-defined]  # compiled once a shape
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload")] == []

    script.main(["--out", f"{folder}/pass", *own, "--steps", "1000", "--epochs", "1"])
    valid = log(folder, "pass")[-1]
    assert 0 < valid["valid energy"] < 100, valid
    assert 0 < valid["valid force"] < 100, valid
    turned(whole["model"])
    with_nothing(folder)


def log(folder: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, name, "log.jsonl").read_text().splitlines()]


def same(one: Any, other: Any) -> None:
    """All leaves, to the last bit."""
    for mine, yours in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(mine, yours)


def turned(model: Any) -> None:
    """A rotation leaves the energy, and turns the forces; these are minus the slope of the energy."""
    numbers = jnp.array([6, 1, 1, 8, 0])
    places = jax.random.normal(jax.random.key(1), (5, 3)) * 2
    rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(2), (3, 3)))[0]
    dst, src = jnp.array([(i, j) for i in range(5) for j in range(5) if i != j]).T
    energy_of = partial(script.energy_of, pairs=(dst, src), cutoff=5.0)
    slope = jax.jit(jax.value_and_grad(energy_of, argnums=1))
    energy, force = slope(model, places, numbers)
    energy2, force2 = slope(model, places @ rotation.T, numbers)
    np.testing.assert_allclose(energy2, energy, rtol=1e-5)
    np.testing.assert_allclose(force2, force @ rotation.T, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(force[4], 0)  # no atom
    assert abs(force[:4]).min() > 0
    moved = places.at[0, 0].add(1e-2), places.at[0, 0].add(-1e-2)
    up, down = (slope(model, place, numbers)[0] for place in moved)
    np.testing.assert_allclose((up - down) / 2e-2, force[0, 0], rtol=1e-2)


def with_nothing(folder: str) -> None:
    """Data that are not there are named."""
    with pytest.raises(fl.FlowloadError, match="nowhere"):
        script.main(["--data", f"{folder}/nowhere", "--out", f"{folder}/none"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
