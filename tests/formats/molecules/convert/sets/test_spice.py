"""HDF5 as SPICE and ANI have it: their names, gradients, charges in SMILES, and columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.molecules import PackedMolecules
from flowload.formats.molecules.convert.pack import SourceColumn, pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack

ATOMIC = Units(energy="hartree", length="bohr", force="hartree/bohr")
HARTREE, BOHR = 627.5094740631, 0.529177210544

#: Group by group: elements, SMILES, its charge, conformations. In one of them as many as atoms.
GROUPS: dict[str, tuple[list[int], str, int, int]] = {
    "ammonium": ([7, 1, 1, 1, 1], "[H:2][N+:1]([H:3])([H:4])[H:5]", 1, 3),
    "chloride water": ([17, 8, 1, 1], "[Cl-:1].[O:2]([H:3])[H:4]", -1, 4),
    "water": ([8, 1, 1], "[O:1]([H:2])[H:3]", 0, 2),
}


def write_spice(path: Path, **units: str) -> dict[str, dict[str, Any]]:
    """A file of these groups; what units say is an attribute of the arrays named."""
    rng = np.random.default_rng(7)
    made: dict[str, dict[str, Any]] = {}
    with h5py.File(path, "w") as file:
        for name, (elements, smiles, _, count) in GROUPS.items():
            atoms = len(elements)
            made[name] = {
                "atomic_numbers": np.array(elements, np.int16),
                "conformations": rng.normal(size=(count, atoms, 3)).astype(np.float32),
                "dft_total_energy": rng.normal(size=count),
                "dft_total_gradient": rng.normal(size=(count, atoms, 3)).astype(np.float32),
                "formation_energy": rng.normal(size=count),
                "scf_dipole": rng.normal(size=(count, 3)).astype(np.float32),
                "scf_quadrupole": rng.normal(size=(count, 3, 3)).astype(np.float32),
                "mbis_charges": rng.normal(size=(count, atoms, 1)).astype(np.float32),
                "mbis_octupoles": rng.normal(size=(count, atoms, 3, 3, 3)).astype(np.float32),
                "mayer_indices": rng.normal(size=(count, atoms, atoms)).astype(np.float32),
            }
            group = file.create_group(name)
            for key, array in made[name].items():
                group[key] = array
                if key in units:
                    group[key].attrs["units"] = units[key]
            group.create_dataset("smiles", data=[smiles], dtype=h5py.string_dtype())
            group.create_dataset("subset", data=["SPICE Ions"], dtype=h5py.string_dtype())
    return made


def column(folder: Path, name: str, *shape: int) -> Any:
    """A file of a column, as anybody would read it."""
    return np.fromfile(folder / name, {"f32": "<f4", "f64": "<f8"}[name[-3:]]).reshape(-1, *shape)


def test_spice(tmp_path: Path) -> None:
    made = write_spice(tmp_path / "s.hdf5")
    asked = ["dipole", "quadrupole", "mbis_charges", "mbis_octupoles", "formation_energy"]
    done = pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", columns=asked)
    assert (done.molecules, done.skipped) == (9, 0)
    pack = open_pack(tmp_path / "out")
    assert pack.charges.tolist() == [1] * 3 + [-1] * 4 + [0] * 2
    assert pack.groups is not None
    assert pack.groups.tolist() == [0] * 3 + [1] * 4 + [2] * 2
    flat = {key: np.concatenate([g[key].reshape(-1) for g in made.values()]) for key in made["water"]}
    np.testing.assert_allclose(pack.energies, flat["dft_total_energy"] * HARTREE, rtol=1e-11)
    np.testing.assert_allclose(pack.places, flat["conformations"] * BOHR, rtol=1e-6)
    np.testing.assert_allclose(pack.forces, -flat["dft_total_gradient"] * HARTREE / BOHR, rtol=1e-6)
    for name, source in (
        ("dipole.f32", "scf_dipole"),
        ("quadrupole.f32", "scf_quadrupole"),
        ("mbis_charges.f32", "mbis_charges"),
        ("mbis_octupoles.f32", "mbis_octupoles"),
        ("formation_energy.f64", "formation_energy"),
    ):
        np.testing.assert_array_equal(column(tmp_path / "out", name).reshape(-1), flat[source])
    said = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert said["columns"]["quadrupole"] == {
        "per": "molecule",
        "shape": [3, 3],
        "dtype": "float32",
        "unit": "e*bohr^2",
        "kind": "tensor",
    }
    source = said["sources"][0]
    assert source["kind"] == "spice"
    assert source["used"]["gradient, sign turned"] == {"dft_total_gradient": 3}
    assert source["used"]["charge"] == {"smiles": 3}
    assert source["warnings"] == source["supposed"] == {}
    assert source["used"]["column dipole"] == {"scf_dipole": 3}
    assert source["ignored"] == {"mayer_indices": 3, "subset": 3}


def test_columns_come_in_batches(tmp_path: Path) -> None:
    made = write_spice(tmp_path / "s.hdf5")
    pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", columns="mbis_charges")
    with (fl.rows(PackedMolecules(tmp_path / "out")) >> fl.batch(9)).iterate() as batches:
        batch = next(iter(batches))
    assert batch["mbis_charges"].shape == (9, 5)
    np.testing.assert_array_equal(batch["mbis_charges"][7, :3], made["water"]["mbis_charges"][0, :, 0])
    assert not batch["mbis_charges"][7, 3:].any()


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ({"dft_total_energy": "eV"}, "another unit of energy; found 'eV'; wanted 'hartree', as was said"),
        ({"conformations": "Angstrom"}, "another unit of length; found 'Angstrom'; wanted 'bohr'"),
        ({"dft_total_gradient": "hartree / nm"}, "another unit of force; found 'hartree / nm'"),
    ],
)
def test_units_that_the_file_says_otherwise(tmp_path: Path, unit: dict[str, str], message: str) -> None:
    write_spice(tmp_path / "s.hdf5", **unit)
    with pytest.raises(DataError, match=f"s.hdf5, ammonium/{next(iter(unit))}: {message}"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice")
    assert [each.name for each in tmp_path.iterdir()] == ["s.hdf5"]


def test_units_that_the_file_says_too(tmp_path: Path) -> None:
    units = {"dft_total_energy": "Hartree", "conformations": "bohr", "dft_total_gradient": "hartree/bohr"}
    write_spice(tmp_path / "s.hdf5", **units)
    told = pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice").told
    assert not any("unit" in words for words in told.warned)


def test_a_unit_that_nobody_knows_is_told(tmp_path: Path) -> None:
    write_spice(tmp_path / "s.hdf5", dft_total_energy="furlong")
    told = pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice").told
    assert told.warned["unit of energy is called 'furlong'; 'hartree' taken"] == 1


def test_units_that_differ_within_a_file(tmp_path: Path) -> None:
    write_spice(tmp_path / "s.hdf5", dft_total_energy="hartree")
    with h5py.File(tmp_path / "s.hdf5", "a") as file:
        file["water/dft_total_energy"].attrs["units"] = "eV"
    with pytest.raises(DataError, match=r"water/dft_total_energy: several units of energy; found 'eV'"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice")


def test_a_column_that_a_group_lacks(tmp_path: Path) -> None:
    write_spice(tmp_path / "s.hdf5")
    with h5py.File(tmp_path / "s.hdf5", "a") as file:
        del file["water/scf_dipole"]
    with pytest.raises(DataError, match=r"s.hdf5, water: arrays are missing; found .*; wanted scf_dipole"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", columns=["dipole"])
    assert [each.name for each in tmp_path.iterdir()] == ["s.hdf5"]


def test_a_column_of_another_shape(tmp_path: Path) -> None:
    write_spice(tmp_path / "s.hdf5")
    with h5py.File(tmp_path / "s.hdf5", "a") as file:
        del file["water/scf_dipole"]
        file["water/scf_dipole"] = np.zeros((2, 2))
    with pytest.raises(DataError, match=r"water/scf_dipole: arrays do not fit; found float64\[2, 2\]"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", columns=["dipole"])


@pytest.mark.parametrize("smiles", ["", "[H+", "[Xx%1]", "[H:2][N+1.5]"])
def test_a_smiles_that_is_none(tmp_path: Path, smiles: str) -> None:
    write_spice(tmp_path / "s.hdf5")
    with h5py.File(tmp_path / "s.hdf5", "a") as file:
        del file["water/smiles"]
        file["water"].create_dataset("smiles", data=[smiles], dtype=h5py.string_dtype())
    with pytest.raises(DataError, match=r"s.hdf5, water/smiles: no SMILES"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice")


def test_without_a_smiles_there_is_no_charge(tmp_path: Path) -> None:
    write_spice(tmp_path / "s.hdf5")
    with h5py.File(tmp_path / "s.hdf5", "a") as file:
        del file["water/smiles"]
    with pytest.raises(DataError, match=r"s.hdf5, water: no charge; found none; wanted one text in smiles"):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice")
    pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", charge_key="none")
    assert not open_pack(tmp_path / "out").charges.any()


def test_keys_of_ones_own_come_before_those_of_the_kind(tmp_path: Path) -> None:
    made = write_spice(tmp_path / "s.hdf5")
    own = {"energy_key": "formation_energy", "forces_key": "none"}
    pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, kind="spice", **own)  # type: ignore[arg-type]
    wanted = np.concatenate([group["formation_energy"] for group in made.values()])
    np.testing.assert_allclose(open_pack(tmp_path / "out").energies, wanted * HARTREE, rtol=1e-11)
    assert not (tmp_path / "out" / "F_pack.f32").exists()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"kind": "spices"}, "kind is 'spices'; wanted one of ani1x, ani2x, mace, openqdc, qm9, spice"),
        ({"kind": "spice", "columns": ["spin"]}, "no column 'spin' is known of the kind 'spice'"),
        ({"columns": ["dipole"]}, "no column 'dipole' is known without a kind"),
        ({"columns": {"a b": SourceColumn("x", "atom")}}, "a column is called 'a b'; wanted letters"),
        ({"columns": {"a": "scf_dipole"}}, "column 'a' is 'scf_dipole'; wanted SourceColumn"),
        ({"columns": {"a": SourceColumn("x", "atom", (0,))}}, r"column 'a' has the shape \(0,\)"),
        ({"columns": {"a": SourceColumn("x", "atom", (1 << 9, 1 << 9))}}, "at most 65,536 numbers"),
        ({"columns": {"E": SourceColumn("x", "atom")}}, "'E'"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, how: dict[str, Any], message: str) -> None:
    write_spice(tmp_path / "s.hdf5")
    with pytest.raises(GraphError, match=message):
        pack_molecules(tmp_path / "s.hdf5", tmp_path / "out", ATOMIC, **how)


def test_ani1x_with_numbers_that_were_not_computed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "atomic_numbers": np.array([8, 1, 1], np.uint8),
        "coordinates": rng.normal(size=(4, 3, 3)).astype(np.float32),
        "wb97x_dz.energy": rng.normal(size=4),
        "wb97x_dz.forces": rng.normal(size=(4, 3, 3)).astype(np.float32),
        "wb97x_dz.dipole": rng.normal(size=(4, 3)).astype(np.float32),
        "wb97x_tz.mbis_charges": rng.normal(size=(4, 3)).astype(np.float32),
        "wb97x_tz.energy": rng.normal(size=4),
        "ccsd(t)_cbs.energy": np.full(4, np.nan),
    }
    arrays["wb97x_tz.mbis_charges"][2] = np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key, array in arrays.items():
            file[f"H2O1/{key}"] = array
    units = Units(energy="hartree", length="angstrom", force="hartree/angstrom")
    asked = {"kind": "ani1x", "columns": ["dipole", "mbis_charges"]}
    with pytest.raises(DataError, match=r"a.h5, molecule 2.*: bad molecule; found mbis_charges = nan"):
        pack_molecules(tmp_path / "a.h5", tmp_path / "out", units, **asked)  # type: ignore[arg-type]
    done = pack_molecules(tmp_path / "a.h5", tmp_path / "out", units, skip_bad=True, **asked)  # type: ignore[arg-type]
    assert (done.molecules, done.skipped) == (3, 1)
    kept = [0, 1, 3]
    np.testing.assert_array_equal(column(tmp_path / "out", "dipole.f32", 3), arrays["wb97x_dz.dipole"][kept])
    np.testing.assert_array_equal(
        column(tmp_path / "out", "mbis_charges.f32", 3), arrays["wb97x_tz.mbis_charges"][kept]
    )


def test_ani2x(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for atoms, count in ((2, 3), (3, 2)):
            group = file.create_group(f"{atoms:03}")
            group["species"] = rng.integers(1, 18, (count, atoms))
            group["coordinates"] = rng.normal(size=(count, atoms, 3)).astype(np.float32)
            group["energies"] = rng.normal(size=count)
            group["forces"] = rng.normal(size=(count, atoms, 3)).astype(np.float32)
        wanted = {
            key: np.concatenate([file[g][key][:].reshape(-1) for g in ("002", "003")])
            for key in ("species", "energies", "forces")
        }
    units = Units(energy="hartree", length="angstrom", force="hartree/angstrom")
    assert pack_molecules(tmp_path / "a.h5", tmp_path / "out", units, kind="ani2x").molecules == 5
    pack = open_pack(tmp_path / "out")
    assert pack.numbers.tolist() == wanted["species"].tolist()
    assert np.diff(pack.offsets).tolist() == [2, 2, 2, 3, 3]
    np.testing.assert_allclose(pack.energies, wanted["energies"] * HARTREE, rtol=1e-11)
    np.testing.assert_allclose(pack.forces, wanted["forces"] * HARTREE, rtol=1e-6)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"gone.hdf5: no such file"):
        pack_molecules(tmp_path / "gone.hdf5", tmp_path / "out", ATOMIC, kind="spice")
