from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.molecules.convert.pack import Packed, pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules import packs as naive
from tests.formats.molecules.convert.padded import OURS, padded, save

EV = 23.060547830619  # kcal/mol, as the format's page has it


UNITS = Units(energy="eV", length="angstrom", force="eV/angstrom")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    save(tmp_path / "set.npz", padded(naive.content([1])))
    pack_molecules(tmp_path / "set.npz", tmp_path / "new" / "out", OURS)
    with pytest.raises(DataError, match="out: already there; wanted the name of a new folder"):
        pack_molecules(tmp_path / "set.npz", tmp_path / "new" / "out", OURS)
    assert len(open_pack(tmp_path / "new" / "out")) == 1


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("set.txt", {}, r"'set.txt' is none of .npz, .xyz, .extxyz, .h5, .hdf5"),
        ("set.npz", {"energy_key": ""}, "energy_key is ''; wanted a name"),
        ("set.npz", {"charge_key": 3}, "charge_key is 3; wanted a name"),
        ("set.npz", {"forces_key": "F", "gradient_key": "G"}, "exclude each other"),
        ("set.npz", {"energy_key": "E", "charge_key": "E"}, "'E' cannot be the name of two things"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, name: str, how: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        pack_molecules(tmp_path / name, tmp_path / "out", OURS, **how)


def test_missing_sources(tmp_path: Path) -> None:
    for name in ("set.npz", "set.xyz", "set.h5"):
        with pytest.raises(NoDataError, match=rf"{name}: no such file"):
            pack_molecules(tmp_path / name, tmp_path / "out", OURS)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def make_ani(tmp_path: Path) -> Callable[..., Path]:
    """Writes `{group: {dataset: array}}`."""
    h5py = pytest.importorskip("h5py")

    def make(groups: dict[str, dict[str, Any]]) -> Path:
        path = tmp_path / "set.h5"
        with h5py.File(path, "w") as file:
            for name, arrays in groups.items():
                for key, array in arrays.items():
                    file[f"{name}/{key}"] = array
        return path

    return make


def group(count: int, symbols: Any, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    shape = (count, len(symbols), 3)
    return {
        "coordinates": rng.normal(size=shape).astype(np.float32),
        "forces": rng.normal(size=shape),
        "energies": rng.normal(size=count),
        "species": symbols,
        **more,
    }


def test_conformations_of_molecules(make_ani: Callable[..., Path], tmp_path: Path) -> None:
    water, methane = group(3, [b"O", b"H", b"H"]), group(2, [b"C", *[b"H"] * 4], smiles=b"C")
    path = make_ani({"a/deep/water": water, "methane": methane, "empty": group(0, [b"He"])})
    units = Units(energy="hartree", length="bohr", force="hartree/bohr")
    assert pack_molecules(path, tmp_path / "out", units) == Packed(5, 0)
    pack = open_pack(tmp_path / "out")
    assert pack.numbers.tolist() == [8, 1, 1] * 3 + [6, 1, 1, 1, 1] * 2
    hartree, bohr = 627.5094740631, 0.529177210544
    np.testing.assert_allclose(pack.energies[:3], water["energies"] * hartree, rtol=1e-11)
    np.testing.assert_allclose(pack.places[:27], water["coordinates"].ravel() * bohr, rtol=1e-6)
    np.testing.assert_allclose(pack.forces[27:], methane["forces"].ravel() * hartree / bohr, rtol=1e-6)
    assert pack.groups is not None
    table = PackedMolecules(tmp_path / "out").open()
    assert table.group("molecule", np.arange(5)).tolist() == pack.groups.tolist() == [0, 0, 0, 2, 2]


def test_other_names_and_numbers_that_were_not_computed(
    make_ani: Callable[..., Path], tmp_path: Path
) -> None:
    other = group(3, [6, 8])
    other["wb97x_dz.forces"] = other.pop("forces")
    other["wb97x_dz.energy"] = other.pop("energies")
    other["wb97x_dz.energy"][1] = np.nan
    other["atomic_numbers"] = np.array(other.pop("species"), np.uint8)
    path = make_ani({"CO": other})
    keys = {"energy_key": "wb97x_dz.energy", "forces_key": "wb97x_dz.forces"}
    with pytest.raises(DataError, match=r"set.h5, molecule 1: bad molecule; found E = nan"):
        pack_molecules(path, tmp_path / "out", OURS, **keys)  # type: ignore[arg-type]
    assert pack_molecules(path, tmp_path / "out", OURS, skip_bad=True, **keys) == Packed(2, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"set.h5: no molecules; found group without coordinates, such as 'a', .*wanted groups that"),
        (
            {"forces": None},
            r"set.h5, a: arrays are missing; found coordinates, energies, species; wanted forces",
        ),
        (
            {"energies": np.zeros(3)},
            r"set.h5, a/energies: arrays do not fit; found float64\[3\]; wanted numbers\[2\]",
        ),
        ({"coordinates": np.zeros((2, 2, 2))}, r"set.h5, a/coordinates: arrays do not fit"),
        ({"species": [b"Xx", b"H"]}, r"set.h5, a: no element; found 'Xx'; wanted a chemical symbol"),
        ({"coordinates": np.zeros((2, 0, 3))}, r"set.h5, a: no atoms"),
        (
            {"species": np.zeros(0, "S2")},
            r"set.h5, a/species: arrays do not fit; found .*wanted numbers\[2\]",
        ),
    ],
)
def test_bad_groups(
    make_ani: Callable[..., Path], tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    whole = {key: array for key, array in group(2, [b"O", b"H"], **arrays).items() if array is not None}
    path = make_ani({"a": whole} if arrays else {"a": {"other": np.zeros(2)}})
    with pytest.raises(DataError, match=message):
        pack_molecules(path, tmp_path / "out", OURS)
    assert [file.name for file in tmp_path.iterdir()] == ["set.h5"]


def test_a_file_that_is_no_hdf5(make_ani: Callable[..., Path], tmp_path: Path) -> None:
    path = make_ani({"a": group(500, [b"O", b"H"])})
    for data in (b"text", path.read_bytes()[:3000]):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"set.h5: bad HDF5"):
            pack_molecules(path, tmp_path / "out", OURS)


def test_without_h5py_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "set.h5").touch()
    with pytest.raises(MissingExtra, match=r"pip install 'flowload\[hdf5\]'"):
        pack_molecules(tmp_path / "set.h5", tmp_path / "out", OURS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["acac_train_300K.xyz", "train_eth_meth.xyz"])
def test_real_frames_in_kcal(shared_molecules: Path, tmp_path: Path, name: str) -> None:
    read = pytest.importorskip("ase.io").read
    pack_molecules(shared_molecules / "xyz" / name, tmp_path / "out", UNITS)
    frames = read(shared_molecules / "xyz" / name, ":")
    pack = open_pack(tmp_path / "out")
    assert len(pack) == len(frames)
    energies = [frame.get_potential_energy() * EV for frame in frames]
    forces = np.concatenate([frame.get_forces() for frame in frames]) * EV
    places = np.concatenate([frame.positions for frame in frames])
    np.testing.assert_allclose(pack.energies, energies, rtol=1e-13)
    np.testing.assert_allclose(pack.forces.reshape(-1, 3), forces, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(pack.places.reshape(-1, 3), places.astype(np.float32))
    np.testing.assert_array_equal(pack.numbers, np.concatenate([frame.numbers for frame in frames]))
