"""Columns in other units, and turned with their molecules; what nobody knows about is refused by name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import GraphError
from flowload.formats.molecules import Column, InUnits, PackedMolecules, Rotated, rotated
from flowload.formats.molecules.columns.column import CELL, PBC
from flowload.formats.molecules.columns.measures import parse_unit, unit_factor
from flowload.formats.molecules.columns.turned import matrices, turned
from tests.formats.molecules import packs as naive
from tests.formats.molecules.columns.test_reading import values_of, write

SIZES = [3, 1, 5, 2]
DIPOLE = Column(per="molecule", shape=(3,), unit="e*angstrom", kind="vector")
STRESS = Column(per="molecule", shape=(3, 3), dtype="float64", unit="kcal/mol/angstrom^3", kind="tensor")
VOIGT = Column(per="molecule", shape=(6,), dtype="float64", unit="GPa", kind="voigt")
COLUMNS = {
    "dipole": DIPOLE,
    "stress": STRESS,
    "voigt": VOIGT,
    "octupole": Column(per="molecule", shape=(3, 3, 3), dtype="float64", unit="e*bohr^3", kind="tensor3"),
    "polar": Column(per="atom", shape=(2, 3, 3), dtype="float64", unit="bohr^3", kind="tensor"),
    "place": Column(per="atom", shape=(3,), unit="angstrom", kind="vector"),
    "gap": Column(per="molecule", unit="hartree"),
    "weight": Column(per="molecule", unit="1"),
    "spin": Column(per="molecule", dtype="int8"),
    "cell": CELL,
    "pbc": PBC,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = values_of(COLUMNS, SIZES)
    values["pbc"][:] = False
    arrays = naive.content(SIZES)
    values["place"] = arrays["R_pack.f32"]
    values["voigt"] = values["stress"].reshape(-1, 9)[:, [0, 4, 8, 5, 2, 1]]
    return write(tmp_path / "set", arrays, COLUMNS, values)


def batch_of(folder: Path, *maps: fl.Graph, layout: str = "physnet", **how: Any) -> dict[str, NDArray[Any]]:
    graph = fl.rows(PackedMolecules(folder, pairs="none", **how)) >> fl.batch(4, layout=layout)
    for each in maps:
        graph = graph >> each
    with graph.iterate(seed=3) as run:
        return {key: np.array(array) for key, array in next(run).items()}


# --- units --------------------------------------------------------------------------------------------


def test_energies_and_lengths_of_columns_are_replaced(folder: Path) -> None:
    columns = PackedMolecules(folder).columns
    plain = batch_of(folder)
    batch = batch_of(folder, fl.map(InUnits(energy="eV", length="bohr", columns=columns)))
    ev, bohr = 1 / 23.060547830619, 1 / 0.529177210544
    wanted = {
        "E": ev,
        "R": bohr,
        "F": ev / bohr,
        "place": bohr,
        "dipole": bohr,
        "stress": ev / bohr**3,
        "voigt": 1.0,
        "octupole": 1.0,
        "polar": 1.0,
        "gap": 27.211386245981,
        "weight": 1.0,
        "cell": bohr,
        "spin": 1,
        "Qtot": 1.0,
    }
    for key, factor in wanted.items():
        assert batch[key].dtype == plain[key].dtype
        np.testing.assert_allclose(batch[key], plain[key] * factor, rtol=1e-6, err_msg=key)


def test_columns_may_be_asked_for_in_a_unit(folder: Path) -> None:
    columns = PackedMolecules(folder).columns
    units = {"stress": "GPa", "dipole": "debye", "voigt": "eV/angstrom^3"}
    plain = batch_of(folder)
    batch = batch_of(folder, fl.map(InUnits(energy="kcal/mol", columns=columns, units=units)))
    np.testing.assert_allclose(batch["stress"], plain["stress"] * 6.947695457055374, rtol=1e-9)
    np.testing.assert_allclose(batch["dipole"], plain["dipole"] * 4.803204712570263, rtol=1e-6)
    np.testing.assert_allclose(batch["voigt"], plain["voigt"] / 160.21766339999998, rtol=1e-9)
    np.testing.assert_array_equal(batch["R"], plain["R"])


@pytest.mark.parametrize(
    ("unit", "other", "factor"),
    [
        ("eV", "meV", 1000.0),
        ("kcal/mol", "kJ/mol", 4.184),
        ("kcal/mol/angstrom", "eV/angstrom", 0.0433641042385),
        ("eV/angstrom^3", "GPa", 160.21766339999998),
        ("eV/angstrom**3", "bar", 1602176.6339999998),
        ("debye", "e*angstrom", 0.20819433270935),
        ("e*bohr^2", "e * angstrom^2", 0.529177210544**2),
        ("cal/mol/K", "kcal/mol/K", 0.001),
        ("V/angstrom", "eV/angstrom/e", 1.0),
        ("1", "angstrom*angstrom^-1", 1.0),
    ],
)
def test_units_are_products(unit: str, other: str, factor: float) -> None:
    assert unit_factor(unit, other) == pytest.approx(factor, rel=1e-9)
    assert unit_factor(other, unit) == pytest.approx(1 / factor, rel=1e-9)


@pytest.mark.parametrize(
    "unit", ["", "ev", "eV/", "/eV", "eV//angstrom", "eV^x", "eV angstrom", "(eV)", "eV^-", "m"]
)
def test_what_is_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(GraphError, match=r"wanted a product of kcal/mol, .* such as 'eV/angstrom\^3'"):
        parse_unit(unit)


def test_units_that_cannot_be_are_named(folder: Path) -> None:
    with pytest.raises(GraphError, match="column 'dipole': 'e\\*angstrom' and 'eV' are units of different"):
        InUnits(energy="eV", columns={"dipole": DIPOLE}, units={"dipole": "eV"})
    with pytest.raises(GraphError, match="units of 'dipol', which is no column; columns: dipole"):
        InUnits(energy="eV", columns={"dipole": DIPOLE}, units={"dipol": "debye"})
    with pytest.raises(GraphError, match="column 'x': unit 'parsec': wanted a product of"):
        InUnits(energy="eV", columns={"x": Column(per="atom", unit="parsec")})
    with pytest.raises(GraphError, match="nobody knows the unit of 'dipole'"):
        batch_of(folder, fl.map(InUnits(energy="eV")))
    columns = {**PackedMolecules(folder).columns, "weight": Column(per="molecule")}
    with pytest.raises(GraphError, match="nobody knows the unit of 'weight'"):
        batch_of(folder, fl.map(InUnits(energy="eV", columns=columns)))
    assert "dipole" not in batch_of(folder, fl.map(InUnits(energy="eV")), select=("E", "spin"))


# --- rotations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["physnet", "masked"])
def test_columns_turn_with_their_molecules(folder: Path, layout: str) -> None:
    columns = PackedMolecules(folder).columns
    plain = batch_of(folder, layout=layout)
    batch = batch_of(folder, fl.map(Rotated(columns), random=True), layout=layout)
    np.testing.assert_allclose(batch["place"], batch["R"], atol=1e-5)
    for k in range(len(SIZES)):
        whole = np.concatenate([plain[key][k].reshape(-1, 3) for key in ("cell", "R", "F")]).astype(
            np.float64
        )
        other = np.concatenate([batch[key][k].reshape(-1, 3) for key in ("cell", "R", "F")]).astype(
            np.float64
        )
        turn = np.linalg.lstsq(whole, other, rcond=None)[0].T
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-4)
        assert np.linalg.det(turn) == pytest.approx(1, abs=1e-3)
        close: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-2}
        np.testing.assert_allclose(batch["dipole"][k], turn @ plain["dipole"][k], **close)
        np.testing.assert_allclose(batch["stress"][k], turn @ plain["stress"][k] @ turn.T, **close)
        three = np.einsum("ai,bj,ck,ijk->abc", turn, turn, turn, plain["octupole"][k])
        np.testing.assert_allclose(batch["octupole"][k], three, **close)
        polar = np.einsum("ai,bj,nmij->nmab", turn, turn, plain["polar"][k])
        np.testing.assert_allclose(batch["polar"][k], polar, **close)
        x, y, z, yz, xz, xy = plain["voigt"][k]
        tensor = turn @ np.array([[x, xy, xz], [xy, y, yz], [xz, yz, z]]) @ turn.T
        np.testing.assert_allclose(batch["voigt"][k], tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], **close)
    for key in ("Z", "E", "gap", "spin", "weight", "pbc"):
        np.testing.assert_array_equal(batch[key], plain[key])


def test_a_column_that_may_turn_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(GraphError, match=r"nobody knows how 'dipole' turns; .*Rotated"):
        batch_of(folder, fl.map(rotated, random=True), select=("dipole",))
    unknown = {**COLUMNS, "stress": Column(per="molecule", shape=(3, 3), dtype="float64")}
    with pytest.raises(GraphError, match="nobody knows how 'stress' turns"):
        batch_of(folder, fl.map(Rotated(unknown), random=True))
    turned_batch = batch_of(folder, fl.map(rotated, random=True), select=("gap", "spin"))
    assert turned_batch["cell"].shape == (4, 3, 3)


def test_turned_twice_is_turned_once_by_both() -> None:
    rng = np.random.default_rng(0)
    turns = rng.normal(size=(2, 7, 4))
    one, two = (matrices(each / np.linalg.norm(each, axis=1, keepdims=True)) for each in turns)
    for column in COLUMNS.values():
        if column.ends:
            array = rng.normal(size=(7, *column.shape))
            both = turned(turned(array, one, column), two, column)
            np.testing.assert_allclose(both, turned(array, two @ one, column), atol=1e-9)
            np.testing.assert_allclose(turned(array, np.tile(np.eye(3), (7, 1, 1)), column), array)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda each: np.linalg.norm(each) > 0.1))
def test_rotations_are_rotations(numbers: list[float]) -> None:
    quaternion = np.array(numbers) / np.linalg.norm(numbers)
    (matrix,) = matrices(quaternion[None])
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_transforms_are_values() -> None:
    for one in (Rotated(COLUMNS), InUnits(energy="eV", columns=COLUMNS, units={"stress": "GPa"})):
        assert pickle.loads(pickle.dumps(one)) == one
        assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
