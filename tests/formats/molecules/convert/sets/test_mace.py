"""Extended XYZ as MACE has it: `REF_` names, isolated atoms, kinds of frames; and columns, against ASE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, GraphError
from flowload.formats.molecules.convert.asked import SourceColumn
from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack

ase = pytest.importorskip("ase")
ase_io = pytest.importorskip("ase.io")

EV = Units(energy="eV", length="angstrom", force="eV/angstrom")
FACTOR = 23.060547830619


def frames() -> list[Any]:
    """Three frames of two kinds, one without, and two isolated atoms."""
    rng = np.random.default_rng(5)
    made = []
    for formula, kind in (("OH2", "water"), ("CH4", "methane"), ("OH2", "water"), ("NH3", None)):
        atoms = ase.Atoms(formula, positions=rng.normal(size=(len(ase.Atoms(formula)), 3)))
        atoms.info.update(
            REF_energy=rng.normal(), REF_dipole=rng.normal(size=3), REF_stress=rng.normal(size=(3, 3))
        )
        atoms.arrays["REF_forces"] = rng.normal(size=(len(atoms), 3))
        atoms.arrays["REF_charges"] = rng.normal(size=len(atoms))
        if kind is not None:
            atoms.info["config_type"] = kind
        made.append(atoms)
    for symbol in "HO":
        atoms = ase.Atoms(symbol, positions=[[0, 0, 0]])
        atoms.info.update(config_type="IsolatedAtom", REF_energy=-13.6)
        made.append(atoms)
    return [made[4], *made[:3], made[5], made[3]]


def saved(folder: Path, made: list[Any]) -> Path:
    ase_io.write(folder / "set.xyz", made, format="extxyz")
    return folder / "set.xyz"


def test_a_set_for_mace(tmp_path: Path) -> None:
    path = saved(tmp_path, frames())
    names = ["dipole", "stress", "charges", "config_type"]
    done = pack_molecules(path, tmp_path / "out", EV, kind="mace", columns=names)
    wanted = [atoms for atoms in ase_io.read(path, ":") if atoms.info.get("config_type") != "IsolatedAtom"]
    assert done.molecules == len(wanted) == 4
    assert done.told.supposed["left out, config_type=IsolatedAtom"] == 2
    pack, out = open_pack(tmp_path / "out"), tmp_path / "out"
    assert pack.numbers.tolist() == [number for atoms in wanted for number in atoms.numbers.tolist()]
    np.testing.assert_allclose(
        pack.energies, [atoms.info["REF_energy"] * FACTOR for atoms in wanted], rtol=1e-12
    )
    forces = np.concatenate([atoms.arrays["REF_forces"] for atoms in wanted])
    np.testing.assert_allclose(pack.forces.reshape(-1, 3), forces * FACTOR, rtol=1e-6)
    for name, shape in (("dipole", (3,)), ("stress", (3, 3))):
        found = np.fromfile(out / f"{name}.f32", "<f4").reshape(-1, *shape)
        np.testing.assert_allclose(found, [atoms.info[f"REF_{name}"] for atoms in wanted], rtol=1e-6)
    charges = np.concatenate([atoms.arrays["REF_charges"] for atoms in wanted])
    np.testing.assert_allclose(np.fromfile(out / "charges.f32", "<f4"), charges, rtol=1e-6)
    said = json.loads((out / "meta.json").read_text())
    assert said["labels"] == {"config_type": ["water", "methane", "Default"]}
    assert np.fromfile(out / "config_type.i32", "<i4").tolist() == [0, 1, 0, 2]
    assert done.told.ignored == {}


@pytest.mark.parametrize("key", ["stress", "virial", "REF_stress"])
@pytest.mark.parametrize("value", ["1 2 3 4 5 6 7 8 9", "_JSON [[1, 2, 3], [4, 5, 6], [7, 8, 9]]"])
def test_matrices_are_read_as_ase_reads_them(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "set.xyz"
    keys = f'{key}="{value}" energy=1 Properties=species:S:1:pos:R:3'
    path.write_text(f"1\n{keys}\nH 0 0 0\n")
    columns = {"s": SourceColumn(key, "molecule", (3, 3), kind="tensor")}
    pack_molecules(path, tmp_path / "out", EV, forces_key="none", columns=columns)
    found = np.fromfile(tmp_path / "out" / "s.f32", "<f4").reshape(3, 3)
    wanted = None if "JSON" in value and key != "REF_stress" else ase_io.read(path).info.get(key)
    if wanted is None:  # of a calculator, which keeps six of the nine; or refused by ASE
        assert found.tolist() == (
            [[1, 4, 7], [2, 5, 8], [3, 6, 9]] if value[0] == "1" else [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        )
    else:
        np.testing.assert_array_equal(found, np.reshape(wanted, (3, 3)))


def test_the_file_s_own_names_are_not_taken_for_them(tmp_path: Path) -> None:
    path = saved(tmp_path, frames()[1:4])
    path.write_text(path.read_text().replace("REF_energy=", "energy="))
    with pytest.raises(
        DataError, match=r"frame 0, line 2: no energy; .*wanted REF_energy=..., or --energy-key"
    ):
        pack_molecules(path, tmp_path / "out", EV, kind="mace")


def test_columns_of_ones_own(tmp_path: Path) -> None:
    path = saved(tmp_path, frames()[1:4])
    columns = {
        "mu": SourceColumn("REF_dipole", "molecule", (3,), "debye", "vector", "float64"),
        "q": SourceColumn("REF_charges", "atom"),
        "f": SourceColumn("REF_forces", "atom", (3,), "eV/angstrom", "vector"),
    }
    with pytest.raises(GraphError, match="'f'"):  # the word of forces
        pack_molecules(path, tmp_path / "out", EV, kind="mace", columns=columns)
    columns["again"] = columns.pop("f")
    pack_molecules(path, tmp_path / "out", EV, kind="mace", columns=columns)
    wanted = ase_io.read(path, ":")
    found = np.fromfile(tmp_path / "out" / "mu.f64", "<f8").reshape(-1, 3)
    np.testing.assert_array_equal(found, [atoms.info["REF_dipole"] for atoms in wanted])
    forces = np.concatenate([atoms.arrays["REF_forces"] for atoms in wanted]).astype(np.float32)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "out" / "again.f32", "<f4"), forces.ravel())


def test_without_forces(tmp_path: Path) -> None:
    made = frames()[1:4]
    for atoms in made:
        del atoms.arrays["REF_forces"]
    path = saved(tmp_path, made)
    with pytest.raises(DataError, match=r"columns are missing; .*REF_forces:R:3, or --forces-key none"):
        pack_molecules(path, tmp_path / "out", EV, kind="mace")
    done = pack_molecules(path, tmp_path / "out", EV, kind="mace", forces_key="none", columns="charges")
    assert done.told.supposed["no forces"] == 3
    charges = np.concatenate([atoms.arrays["REF_charges"] for atoms in ase_io.read(path, ":")])
    np.testing.assert_allclose(np.fromfile(tmp_path / "out" / "charges.f32", "<f4"), charges, rtol=1e-6)


def test_forces_have_a_unit(tmp_path: Path) -> None:
    path = saved(tmp_path, frames())
    with pytest.raises(GraphError, match="unit of force is None; wanted one, or forces_key='none'"):
        pack_molecules(path, tmp_path / "out", Units(energy="eV", length="angstrom"), kind="mace")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("REF_dipole=", "other="),
            "frame 1, line 8: no value of a column; .*REF_dipole=..., for the column di",
        ),
        (('REF_dipole="', 'REF_dipole="1 '), "frame 1, line 8: bad value of a column; .*wanted 3 numbers"),
        (('REF_dipole="', 'REF_dipole="x'), "frame 1, line 8: bad value of a column; found REF_dipole='x"),
        (("REF_charges:R:1", "REF_charges:R:2"), "frame 1, line .*: (too few columns|columns are missing)"),
        (
            ("REF_charges:R:1", "charges:R:1"),
            "columns are missing; .*REF_charges:R:1, for the column charges",
        ),
    ],
)
def test_columns_that_are_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = saved(tmp_path, frames()[1:4])
    lines = path.read_text().split("\n")
    at = 5 + 1  # the second frame's keys
    assert change[0] in lines[at]
    lines[at] = lines[at].replace(*change, 1)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=message.replace("line 8", "line 7")):
        pack_molecules(path, tmp_path / "out", EV, kind="mace", columns=["dipole", "charges"])
    assert [each.name for each in tmp_path.iterdir()] == ["set.xyz"]


def test_an_isolated_atom_whose_lines_are_missing(tmp_path: Path) -> None:
    path = saved(tmp_path, frames()[:1])
    path.write_text("\n".join(path.read_text().split("\n")[:2]).replace("1\n", "2\n", 1) + "\nH 0 0 0\n")
    with pytest.raises(DataError, match="frame 0, line 3: file ends early; found 1 atoms; wanted 2 atoms"):
        pack_molecules(path, tmp_path / "out", EV, kind="mace")


def test_crystals_keep_their_cells(tmp_path: Path) -> None:
    made = frames()[1:4]
    for number, atoms in enumerate(made[:2]):
        atoms.set_cell(np.array([[9.0, 0, 0], [1, 8, 0], [0, number, 7]]))
        atoms.set_pbc([True, True, number == 1])
    made[2].set_pbc(False)
    path = saved(tmp_path, made)
    pack_molecules(path, tmp_path / "out", EV, kind="mace", columns=["stress"])
    wanted = ase_io.read(path, ":")
    cells = np.fromfile(tmp_path / "out" / "cell.f32", "<f4").reshape(-1, 3, 3)
    np.testing.assert_allclose(cells, [atoms.cell.array for atoms in wanted])
    pbc = np.fromfile(tmp_path / "out" / "pbc.bool", bool).reshape(-1, 3)
    assert pbc.tolist() == [atoms.pbc.tolist() for atoms in wanted]
    stress = np.fromfile(tmp_path / "out" / "stress.f32", "<f4").reshape(-1, 3, 3)
    np.testing.assert_allclose(stress, [atoms.info["REF_stress"] for atoms in wanted], rtol=1e-6)
