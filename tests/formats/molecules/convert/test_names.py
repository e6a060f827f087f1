"""What a source calls its numbers: the same rules for XYZ, archives and HDF5, and nothing is taken unseen."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import h5py
import numpy as np
import pytest

from flowload.errors import DataError, GraphError
from flowload.formats.molecules.convert.keys import Names, charge_keys, hint
from flowload.formats.molecules.convert.report import NAMES, Told
from tests.formats.molecules.convert.sources import FORCES, KINDS, converted, write_ani, write_npz, write_xyz

kinds = pytest.mark.parametrize("kind", KINDS)

USUAL = (
    "charge",
    "total_charge",
    "Charge",
    "TOTAL_CHARGE",
    "tot_charge",
    "Qtot",
    "qtot",
    "Q",
    "q",
    "net_charge",
)


# --- charges ------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("key", USUAL)
def test_a_charge_under_a_usual_name_is_taken_and_told(tmp_path: Path, kind: str, key: str) -> None:
    done, pack = converted(KINDS[kind](tmp_path, **{key: -1}))
    assert pack.charges.tolist() == [-1]
    assert done.told.used["charge"] == {key: 1}
    assert not done.told.supposed
    assert key not in done.told.ignored


@kinds
def test_without_any_charge_it_is_0_and_told(tmp_path: Path, kind: str) -> None:
    done, pack = converted(KINDS[kind](tmp_path))
    assert pack.charges.tolist() == [0]
    assert done.told.supposed == {"no charge, 0 taken": 1}
    assert not done.told.warned


@kinds
@pytest.mark.parametrize("key", ["dft_charge", "mol.charge.au", "ChargeOfMolecule"])
def test_what_may_be_a_charge_is_never_taken_for_0(tmp_path: Path, kind: str, key: str) -> None:
    path = KINDS[kind](tmp_path, **{key: -1})
    with pytest.raises(
        DataError, match=rf"what may be a charge; .*{key}.*wanted --charge-key {key}, or none"
    ):
        converted(path)
    assert not (tmp_path / "out").exists()
    done, pack = converted(path, charge_key=key)
    assert pack.charges.tolist() == [-1]
    assert done.told.used["charge"] == {key: 1}


@kinds
def test_what_may_be_a_charge_and_is_0_is_told(tmp_path: Path, kind: str) -> None:
    done, pack = converted(KINDS[kind](tmp_path, dft_charge=0))
    assert pack.charges.tolist() == [0]
    assert done.told.ignored == {"dft_charge": 1}


@kinds
def test_charges_may_be_refused_as_a_whole(tmp_path: Path, kind: str) -> None:
    done, pack = converted(KINDS[kind](tmp_path, charge=2, dft_charge=-1), charge_key="none")
    assert pack.charges.tolist() == [0]
    assert done.told.ignored == {"charge": 1, "dft_charge": 1}


@kinds
def test_several_usual_names_must_agree(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path, Q=1, charge=-1)
    with pytest.raises(DataError, match=r"charges that differ; found .*wanted one, or --charge-key charge"):
        converted(path)
    assert converted(path, charge_key="Q").pack.charges.tolist() == [1]


@kinds
def test_several_that_agree_are_one(tmp_path: Path, kind: str) -> None:
    done, pack = converted(KINDS[kind](tmp_path, Q=1, charge=1))
    assert pack.charges.tolist() == [1]
    assert done.told.used["charge"] == {"charge": 1}
    assert done.told.ignored == {"Q": 1}


@kinds
def test_a_name_that_is_given_must_be_there(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r"no charge; found .*charge.*wanted Qtot"):
        converted(KINDS[kind](tmp_path, charge=1), charge_key="Qtot")


@kinds
def test_a_charge_that_is_not_finite_is_a_bad_molecule(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match="bad molecule; found Qtot = nan"):
        converted(KINDS[kind](tmp_path, charge="nan" if kind == "xyz" else np.nan))


@kinds
def test_words_about_charges_are_no_charges(tmp_path: Path, kind: str) -> None:
    extra = {"charge_method": "mulliken" if kind == "xyz" else np.array(b"mulliken")}
    done, pack = converted(KINDS[kind](tmp_path, **extra))
    assert pack.charges.tolist() == [0]
    assert done.told.ignored == {"charge_method": 1}


@pytest.mark.parametrize("key", ["charges", "q", "charge"])
def test_charges_of_atoms_are_not_added_up_but_told(
    tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    atoms = np.array([[-1.0, 0.2, 0.0]])
    text = write_xyz(tmp_path).read_text()
    text = text.replace("forces:R:3", f"forces:R:3:{key}:R:1").replace("-0.5\n", "-0.5 -1\n")
    (tmp_path / "set.xyz").write_text(text.replace("0.5\n", "0.5 0.2\n").replace("-0.5 0.2 -1", "-0.5 -1"))
    paths = [
        tmp_path / "set.xyz",
        write_npz(tmp_path, **{key: atoms}),
        write_ani(tmp_path, **{key: atoms[:, :2]}),
    ]
    for number, path in enumerate(paths):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "flowload"):
            done, pack = converted(path)
        assert pack.charges.tolist() == [0]
        assert any("total charge taken as 0" in words for words in done.told.warned), path
        assert "total charge taken as 0" in caplog.text
        (tmp_path / "out").rename(tmp_path / f"out{number}")


def test_frames_of_different_kinds_are_told_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = [
        write_xyz(tmp_path, **extra).read_text() for extra in ({"charge": 1}, {"Qtot": 2}, {}, {"Qtot": 3})
    ]
    (tmp_path / "set.xyz").write_text("".join(texts))
    with caplog.at_level(logging.WARNING, "flowload"):
        done, pack = converted(tmp_path / "set.xyz")
    assert pack.charges.tolist() == [1, 2, 0, 3]
    assert done.told.used["charge"] == {"charge": 1, "Qtot": 2}
    assert done.told.warned == {
        "without a charge, which others have; 0 taken": 1,
        "charges under several names, 'charge', 'Qtot'": 3,
    }
    assert "without a charge" in caplog.text


def test_in_hdf5_a_charge_may_be_an_attribute(tmp_path: Path) -> None:
    path = write_ani(tmp_path)
    with h5py.File(path, "a") as file:
        file["OH"].attrs["charge"] = -1
        file["OH"].attrs["method"] = "dft"
    assert converted(path).pack.charges.tolist() == [-1]


def test_in_hdf5_nobody_can_tell_charges_of_as_many_atoms_as_conformations(tmp_path: Path) -> None:
    path = write_ani(tmp_path)
    with h5py.File(path, "a") as file:
        for key in ("coordinates", "forces", "energies"):
            array = file["OH"][key][:]
            del file["OH"][key]
            file["OH"][key] = np.concatenate([array, array])
        file["OH"]["charge"] = [-1, 1]
    with pytest.raises(DataError, match="OH/charge: what may be a charge; found 2 numbers, of as many conf"):
        converted(path)
    assert converted(path, charge_key="charge").pack.charges.tolist() == [-1, 1]


# --- gradients ----------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("key", ["gradients", "gradient", "grad", "dft_total_gradient", "dEdR"])
def test_gradients_are_taken_with_their_sign_turned(tmp_path: Path, kind: str, key: str) -> None:
    path = KINDS[kind](tmp_path, forces=key)
    with pytest.raises(DataError, match=rf"missing; .*, or --gradient-key {key}"):
        converted(path)
    with pytest.raises(GraphError, match=f"{key!r} is the name of a gradient, the negative of forces; with"):
        converted(path, forces_key=key)
    done, pack = converted(path, gradient_key=key)
    np.testing.assert_array_equal(pack.forces.reshape(-1, 3), -FORCES.astype(np.float32))
    assert done.told.used["gradient, sign turned"] == {key: 1}


@kinds
def test_gradients_that_are_called_forces_can_be_turned(tmp_path: Path, kind: str) -> None:
    key = "F" if kind == "npz" else "forces"
    _, pack = converted(KINDS[kind](tmp_path), gradient_key=key)
    np.testing.assert_array_equal(pack.forces.reshape(-1, 3), -FORCES.astype(np.float32))


@pytest.mark.parametrize(
    "key", ["grad", "Gradient", "dE/dR", "de_dr", "dE_dx", "energy_gradients", "derivatives"]
)
def test_what_is_called_a_gradient_is_never_forces(key: str) -> None:
    with pytest.raises(GraphError, match="is the name of a gradient"):
        Names(forces=key)
    assert Names(gradient=key).force("forces") == (key, -1.0)


@pytest.mark.parametrize(
    "key", ["forces", "F", "neg_gradient", "-dE/dR", "minus_grad", "dft.forces", "negative gradient"]
)
def test_what_is_called_the_negative_of_one_may_be(key: str) -> None:
    assert Names(forces=key).force("x") == (key, 1.0)


# --- energies -----------------------------------------------------------------------------------------


@kinds
def test_energies_have_one_name(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path, energy="total_energy")
    with pytest.raises(DataError, match=r"(no energy|missing); found .*, or --energy-key total_energy"):
        converted(path)
    assert converted(path, energy_key="total_energy").pack.energies.tolist() == [-1.5]


@kinds
def test_of_several_energies_the_one_of_that_name_is_taken_and_the_others_are_told(
    tmp_path: Path, kind: str
) -> None:
    done, pack = converted(KINDS[kind](tmp_path, free_energy=-9, energy_0=3))
    assert pack.energies.tolist() == [-1.5]
    assert done.told.used["energy"] == {{"xyz": "energy", "npz": "E", "hdf5": "energies"}[kind]: 1}
    assert done.told.ignored == {"free_energy": 1, "energy_0": 1}


# --- what is told -------------------------------------------------------------------------------------


@kinds
def test_the_manifest_says_it_all(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path, Q=1, dipole=3)
    done, _ = converted(path)
    told = json.loads((tmp_path / "out" / "meta.json").read_text())
    (source,) = told["sources"]
    assert (told["molecules"], told["atoms"], told["skipped"]) == (1, 2, 0)
    assert told["units"] == {"energy": "kcal/mol", "length": "angstrom", "force": "kcal/mol/angstrom"}
    assert (source["name"], source["bytes"]) == (path.name, path.stat().st_size)
    assert source["used"]["charge"] == {"Q": 1}
    assert set(source["used"]) == {"energy", "forces", "charge"}
    assert source["ignored"] == {"dipole": 1}
    assert "charge: Q (1)" in done.told.lines()
    assert "ignored: dipole (1)" in done.told.lines()


def test_names_command_no_terminal_and_fill_no_memory() -> None:
    told = Told()
    for number in range(3 * NAMES):
        told.ignore(f"key{number}")
    told.ignore("key0")
    assert len(told.ignored) == NAMES + 1
    assert told.ignored["(others)"] == 2 * NAMES
    assert told.ignored["key0"] == 2
    told = Told()
    told.ignore("\x1b[31mred\n")
    told.use("energy", "Å" * 100)
    assert told.lines() == [f"energy: {'Å' * 60}... (1)", r"ignored: \x1b[31mred\n (1)"]


def test_the_first_of_the_usual_names_comes_first() -> None:
    assert charge_keys(["q", "Total-Charge", "x", "Charge"], None) == ["Charge", "Total-Charge", "q"]
    assert charge_keys(["q", "charge"], "q") == ["q"]
    assert charge_keys(["q", "none"], "none") == []


def test_hints_name_options() -> None:
    names = ["REF_forces", "gradient", "Energy", "energy_gradient", "dipole"]
    assert (
        hint("forces", names)
        == ", or --forces-key REF_forces or --gradient-key gradient or --gradient-key energy_gradient"
    )
    assert hint("energy", names) == ", or --energy-key Energy"
    assert hint("energy", ["dipole"]) == ""
