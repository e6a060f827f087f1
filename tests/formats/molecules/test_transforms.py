from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.formats.molecules.convert.units import energy_factor, length_factor
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.transforms import InUnits, centred, rotated
from tests.formats.molecules import packs as naive

LAYOUTS = ("physnet", "masked")


def batches(path: Path, *maps: fl.Graph, layout: str = "physnet", **how: Any) -> list[dict[str, Any]]:
    graph = fl.rows(PackedMolecules(path, pairs="batch")) >> fl.batch(4, layout=layout)
    for each in maps:
        graph = graph >> each
    with graph.iterate(seed=5, **how) as run:
        return [{key: np.array(array) for key, array in batch.items()} for batch in run]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return naive.write(tmp_path / "set", naive.content([3, 1, 5, 2, 4, 4]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_mean_place_is_0(path: Path, layout: str) -> None:
    for plain, batch in zip(
        batches(path, layout=layout), batches(path, fl.map(centred), layout=layout), strict=True
    ):
        for k, numbers in enumerate(batch["Z"]):
            real = numbers != 0
            places = plain["R"][k][real].astype(np.float64)
            np.testing.assert_allclose(batch["R"][k][real], places - places.mean(axis=0), atol=1e-6)
            assert not batch["R"][k][~real].any()
        assert plain.keys() == batch.keys()
        assert np.array_equal(plain["F"], batch["F"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_turned_molecules_keep_their_shape(path: Path, layout: str) -> None:
    turn = fl.map(rotated, random=True)
    for plain, batch in zip(batches(path, layout=layout), batches(path, turn, layout=layout), strict=True):
        assert not np.allclose(plain["R"], batch["R"])
        for k in range(len(batch["Z"])):
            both = [np.concatenate([one["R"][k], one["F"][k]]).astype(np.float64) for one in (plain, batch)]
            grams = [one @ one.T for one in both]  # lengths and angles of places and forces with each other
            np.testing.assert_allclose(grams[0], grams[1], atol=1e-4)
            least = np.linalg.lstsq(both[0], both[1], rcond=None)[0]
            if np.linalg.matrix_rank(both[0]) == 3:
                assert np.linalg.det(least) == pytest.approx(1, abs=1e-3)  # no mirror
        assert np.array_equal(plain["Z"], batch["Z"])


def test_turns_are_the_same_for_any_number_of_workers_and_never_the_same_twice(path: Path) -> None:
    runs = [batches(path, fl.map(rotated, random=True, workers=n), cpus=2, epochs=2) for n in (1, 4)]
    for one, two in zip(*runs, strict=True):
        assert np.array_equal(one["R"], two["R"])
    (first, *_), plain = runs[0], batches(path)[0]
    assert not np.allclose(first["R"], plain["R"])
    again = runs[0][1]["R"][2]  # the first molecule comes again behind the sixth
    np.testing.assert_array_equal(runs[0][0]["E"][0], runs[0][1]["E"][2])
    assert not np.allclose(first["R"][0][:3], again[:3])


def test_turns_are_uniform() -> None:
    rng = np.random.default_rng(0)
    batch = {"R": np.zeros((20_000, 1, 3), np.float32), "F": np.zeros((20_000, 1, 3), np.float32)}
    batch["R"][:, 0, 2] = batch["F"][:, 0, 0] = 1
    rotated(batch, rng)
    for key in "RF":
        vectors = batch[key][:, 0]
        np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=0.02)
        np.testing.assert_allclose((vectors**2).mean(axis=0), 1 / 3, atol=0.01)
        assert np.histogram(vectors[:, 1], bins=4, range=(-1, 1))[0] == pytest.approx(5000, rel=0.06)
    np.testing.assert_allclose((batch["R"] * batch["F"]).sum(axis=2), 0, atol=1e-6)


def test_units(path: Path) -> None:
    units = InUnits(energy="hartree", length="bohr")
    assert pickle.loads(pickle.dumps(units)) == units
    energy, length = energy_factor("hartree"), length_factor("bohr")
    for plain, batch in zip(batches(path), batches(path, fl.map(units)), strict=True):
        np.testing.assert_allclose(batch["E"] * energy, plain["E"], rtol=1e-14)
        np.testing.assert_allclose(batch["R"] * length, plain["R"], rtol=1e-6)
        np.testing.assert_allclose(batch["F"] * energy / length, plain["F"], rtol=1e-6)
        assert batch["R"].dtype == batch["F"].dtype == np.float32
        assert np.array_equal(batch["dst_idx"], plain["dst_idx"])
    with pytest.raises(GraphError, match="unit of energy is 'cal'"):
        InUnits(energy="cal")
    with pytest.raises(GraphError, match="unit of length is 'A'"):
        InUnits(energy="eV", length="A")
