"""JAX compiles a step once a shape. It starts threads that a fork does not survive, so it runs in a child."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.formats.molecules import packs as naive

ROOT = Path(__file__).parents[3]
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}

CODE = """
import sys
import jax
import flowload as fl
from flowload.formats.molecules import PackedMolecules

def compiled(batch, **how):
    step = jax.jit(lambda batch: {key: array.sum() for key, array in batch.items()})
    graph = fl.rows(PackedMolecules(sys.argv[1], **how)) >> fl.shuffle() >> batch
    with graph.iterate(epochs=2) as batches:
        count = sum(step(one) is not None for one in batches)
    assert count > 20, count
    return step._cache_size()

mixed = fl.bucket(64, shuffle_batches=True) >> fl.batch(8, drop_last=True)
print(compiled(mixed, num_atoms=(2, 4, 6)))
print(compiled(fl.batch(atoms=48, drop_last=True), num_atoms=(2, 4, 6)))
print(compiled(fl.batch(8, drop_last=True), num_atoms=6, pairs="real", cutoff=3.0, edges=240))
print(compiled(fl.batch(atoms=48, drop_last=True), num_atoms=(2, 6), pairs="real", cutoff=3.0, edges=240))
print(compiled(fl.batch(8, drop_last=True)) > 3)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="no jax")
def test_jax_compiles_once_a_shape(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([1, 5, 2, 2, 6, 3, 1, 4] * 30))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)],
        cwd=ROOT,
        env={**os.environ, **QUICK},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "3", "1", "2", "True"]
