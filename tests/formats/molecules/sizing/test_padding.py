from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.sizing.padding import best_bucket, padding_efficiency
from tests.formats.molecules import packs as naive


def measured(path: Path, batch: int, bucket: int, seed: int) -> float:
    """What a run says of itself, which is what its batches say."""
    graph = fl.rows(PackedMolecules(path)) >> fl.shuffle() >> fl.bucket(bucket) >> fl.batch(batch)
    atoms = slots = 0
    with graph.iterate(seed=seed) as batches:
        for one in batches:
            atoms += int(one["N"].sum())
            slots += one["Z"].size
        stats = batches.stats().stages["batch"]
    assert stats.gauges["padding_efficiency"] == pytest.approx(atoms / slots, rel=1e-12)
    return atoms / slots


@pytest.mark.parametrize(("batch", "bucket"), [(8, 1), (8, 8), (8, 64), (8, 1000), (7, 64), (2000, 100)])
def test_the_simulation_foretells_real_padding(tmp_path: Path, batch: int, bucket: int) -> None:
    sizes = np.random.default_rng(1).integers(1, 40, 1500).tolist()
    path = naive.write(tmp_path, naive.content(sizes))
    foretold = padding_efficiency(sizes, batch, bucket)
    assert measured(path, batch, bucket, seed=2) == pytest.approx(foretold, abs=0.02)


@pytest.mark.parametrize("wanted", [0.0, 0.7, 0.9, 0.97])
def test_the_best_bucket_is_large_enough_and_no_larger(tmp_path: Path, wanted: float) -> None:
    sizes = np.random.default_rng(3).integers(1, 30, 4000).tolist()
    path = naive.write(tmp_path, naive.content(sizes))
    bucket = best_bucket(sizes, 16, wanted)
    assert bucket % 16 == 0
    assert measured(path, 16, bucket, seed=4) >= wanted - 0.02
    if bucket > 16:
        assert padding_efficiency(sizes, 16, bucket) >= wanted
        assert padding_efficiency(sizes, 16, bucket - max(16, bucket // 8)) < wanted


def test_real_sizes(shared_molecules: Path) -> None:
    folder = shared_molecules / "mixed_mit"
    bucket = best_bucket(np.load(folder / "n_atoms.npy"), 32, 0.95)
    assert measured(folder, 32, bucket, seed=0) >= 0.94
    assert measured(folder, 32, 32, seed=0) < 0.6


def test_what_cannot_be_reached_says_how_much_can() -> None:
    sizes = [1, 50] * 3
    with pytest.raises(
        GraphError, match=r"efficiency 0.9 cannot be reached: all 6 molecules in one bucket give 0.51"
    ):
        best_bucket(sizes, 4, 0.9)


@pytest.mark.parametrize(
    ("sizes", "batch", "efficiency", "message"),
    [
        ([3], 0, 0.5, "batch_size is 0"),
        ([3], 4, 1.0, "efficiency is 1.0 for 1 sizes; wanted 0.0 to below 1.0"),
        ([3], 4, "much", "efficiency is 'much'"),
        ([], 4, 0.5, "for 0 sizes"),
        ([3, 0], 4, 0.5, "sizes from 1"),
    ],
)
def test_what_makes_no_sense(sizes: list[int], batch: int, efficiency: float, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        best_bucket(sizes, batch, efficiency)
