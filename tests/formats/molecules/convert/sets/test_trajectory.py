"""Archives of one molecule's conformations: those of rMD17, and of MD17, MD22 and sGDML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert import npz
from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack

KCAL = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")
ETHANOL = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])


def rmd17(count: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    return {
        "nuclear_charges": ETHANOL.astype(np.uint8),
        "coords": rng.normal(size=(count, 9, 3)),
        "energies": rng.normal(size=count) - 97208.4,
        "forces": rng.normal(size=(count, 9, 3)),
        "old_indices": np.arange(count) * 3,
        "old_energies": rng.normal(size=count),
        "old_forces": rng.normal(size=(count, 9, 3)),
    }


def md22(count: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    energies = rng.normal(size=(count, 1))
    return {
        "type": "d",
        "code_version": "0.4.12",
        "name": "ethanol",
        "theory": "PBE+MBD",
        "z": ETHANOL.astype(np.uint8),
        "R": rng.normal(size=(count, 9, 3)),
        "E": energies,
        "F": rng.normal(size=(count, 9, 3)),
        "r_unit": "Ang",
        "e_unit": "kcal/mol",
        "E_min": energies.min(),
        "E_max": energies.max(),
        "E_mean": energies.mean(),
        "E_var": energies.var(),
        "md5": b"d41d8cd98f00b204e9800998ecf8427e",
    }


def save(path: Path, arrays: dict[str, Any], *, compressed: bool = False) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("make", "keys"),
    [(rmd17, ("nuclear_charges", "coords", "energies", "forces")), (md22, ("z", "R", "E", "F"))],
)
def test_conformations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, keys: tuple[str, ...], compressed: bool
) -> None:
    monkeypatch.setattr(npz, "ROWS", 3)
    arrays = make()
    path = save(tmp_path / "set.npz", arrays, compressed=compressed)
    steps: list[tuple[int, int]] = []
    done = pack_molecules(path, tmp_path / "out", KCAL, tell=lambda *step: steps.append(step))
    assert (done.molecules, done.skipped, steps) == (7, 0, [(3, 7), (6, 7), (7, 7)])
    pack = open_pack(tmp_path / "out")
    elements, places, energies, forces = (arrays[key] for key in keys)
    assert pack.numbers.tolist() == elements.tolist() * 7
    assert np.diff(pack.offsets).tolist() == [9] * 7
    np.testing.assert_array_equal(pack.places, places.astype(np.float32).ravel())
    np.testing.assert_array_equal(pack.forces, forces.astype(np.float32).ravel())
    np.testing.assert_array_equal(pack.energies, energies.ravel())
    assert not pack.charges.any()
    assert pack.groups is not None
    assert not pack.groups.any()  # all of one molecule
    assert not done.told.warned
    assert done.told.used["energy"] == {keys[2]: 7}


def test_other_energies_of_the_archive(tmp_path: Path) -> None:
    arrays = rmd17()
    path = save(tmp_path / "set.npz", arrays)
    keys = {"energy_key": "old_energies", "forces_key": "old_forces"}
    pack_molecules(path, tmp_path / "out", KCAL, **keys)  # type: ignore[arg-type]
    pack = open_pack(tmp_path / "out")
    np.testing.assert_array_equal(pack.energies, arrays["old_energies"])
    np.testing.assert_array_equal(pack.forces, arrays["old_forces"].astype(np.float32).ravel())


def test_without_forces(tmp_path: Path) -> None:
    arrays = rmd17()
    del arrays["forces"]
    path = save(tmp_path / "set.npz", arrays)
    with pytest.raises(DataError, match=r"arrays are missing; .*wanted forces, .* or --forces-key none"):
        pack_molecules(path, tmp_path / "out", KCAL)
    done = pack_molecules(path, tmp_path / "out", KCAL, forces_key="none")
    assert done.told.supposed["no forces"] == 7
    assert not (tmp_path / "out" / "F_pack.f32").exists()


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (rmd17, {"nuclear_charges": ETHANOL[:8]}, r"nuclear_charges.npy: arrays do not fit; found \[8\]"),
        (rmd17, {"nuclear_charges": ETHANOL * 0}, r"nuclear_charges.npy: no element; found 0"),
        (rmd17, {"coords": np.zeros((7, 9, 2))}, r"coords.npy: array of another kind; found \[7, 9, 2\]"),
        (rmd17, {"coords": np.zeros((7, 0, 3))}, r"coords.npy: array of another kind"),
        (rmd17, {"energies": np.zeros(6)}, r"energies.npy: arrays do not fit; found \[6\]; wanted \[7\]"),
        (rmd17, {"forces": np.zeros((7, 8, 3))}, r"forces.npy: arrays do not fit"),
        (rmd17, {"z": ETHANOL, "R": np.zeros((7, 9, 3))}, "set.npz: several layouts"),
        (
            rmd17,
            {"energies": np.array([0, 1, np.nan, 3, 4, 5, 6])},
            r"molecule 2: bad molecule; found E = nan",
        ),
        (md22, {"N": np.full(7, 9)}, "set.npz: several layouts"),
        (md22, {"e_unit": "eV"}, r"e_unit.npy: another unit of energy; found 'eV'; wanted 'kcal/mol'"),
        (md22, {"r_unit": "bohr"}, r"r_unit.npy: another unit of length; found 'bohr'"),
        (md22, {"lattice": np.ones(3)}, r"set.npz: no cell; found lattice \[3\]; wanted numbers, one cell"),
        (md22, {"lattice": np.eye(3), "cell": np.eye(3)}, r"set.npz: periodic; found lattice, cell"),
        (md22, {"charge": np.array(-1.0), "total_charge": np.array(1.0)}, "charges that differ"),
    ],
)
def test_archives_that_are_wrong(tmp_path: Path, make: Any, change: dict[str, Any], message: str) -> None:
    path = save(tmp_path / "set.npz", {**make(), **change})
    with pytest.raises(DataError, match=message):
        pack_molecules(path, tmp_path / "out", KCAL)
    assert [each.name for each in tmp_path.iterdir()] == ["set.npz"]


def test_one_cell_for_all(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", {**md22(), "lattice": np.eye(3) * 9})
    pack_molecules(path, tmp_path / "out", KCAL)
    pack = open_pack(tmp_path / "out")
    assert pack.columns["cell"].reshape(-1, 9).tolist() == [(np.eye(3) * 9).ravel().tolist()] * len(pack)
    assert pack.columns["pbc"].all()


def test_one_charge_for_all(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", {**md22(), "charge": np.array(-1.0)})
    pack_molecules(path, tmp_path / "out", KCAL)
    assert open_pack(tmp_path / "out").charges.tolist() == [-1] * 7


def test_as_many_charges_as_conformations_and_atoms(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", {**rmd17(9), "charge": np.arange(9)})
    with pytest.raises(DataError, match="what may be a charge; found 9 numbers, of as many conformations"):
        pack_molecules(path, tmp_path / "out", KCAL)
    pack_molecules(path, tmp_path / "out", KCAL, charge_key="charge")
    assert open_pack(tmp_path / "out").charges.tolist() == list(range(9))
