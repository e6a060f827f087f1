"""Packing other people's files: what comes out is what went in, in kcal/mol and Å; or nothing comes out."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.molecules.convert.pack import Packed, pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import Pack, open_pack
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules import packs as naive

OURS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")
EV = 23.060547830619  # kcal/mol, as the format's page has it
UNITS = Units(energy="eV", length="angstrom", force="eV/angstrom")


def check_pack(pack: Pack, arrays: naive.Content) -> None:
    """A folder holds these, exactly."""
    np.testing.assert_array_equal(pack.offsets, arrays["offsets.npy"])
    np.testing.assert_array_equal(pack.numbers, arrays["Z_pack.int32"])
    np.testing.assert_array_equal(pack.places, arrays["R_pack.f32"].ravel())
    np.testing.assert_array_equal(pack.forces, arrays["F_pack.f32"].ravel())
    np.testing.assert_array_equal(pack.energies, arrays["E.f64"])
    np.testing.assert_array_equal(pack.charges, arrays["Qtot.f64"])


def save(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> Path:
    """An archive."""
    named: Any = dict(arrays)
    (np.savez_compressed if compressed else np.savez)(path, **named)
    return path


def padded(arrays: naive.Content, spare: int = 0) -> naive.Content:
    """As an archive has them."""
    rows = range(len(arrays["n_atoms.npy"]))
    batch = naive.physnet(arrays, rows, int(arrays["n_atoms.npy"].max()) + spare)
    return {key: batch[key] for key in ("Z", "R", "F", "E", "N", "Qtot")}


# --- npz --------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=9),
    spare=st.integers(0, 2),
    compressed=st.booleans(),
    columns=st.booleans(),
)
def test_padded_molecules(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], spare: int, compressed: bool, columns: bool
) -> None:
    folder = tmp_path_factory.mktemp("npz")
    arrays = naive.content(sizes)
    archive = {
        key: array.astype(np.float64) if key in "RF" else array
        for key, array in padded(arrays, spare).items()
    }
    if columns:
        archive.update({key: archive[key].reshape(-1, 1) for key in "EN"})
    archive["R"][np.arange(archive["R"].shape[1]) >= np.array(sizes)[:, None]] = (
        np.nan
    )  # where there is no atom
    archive["name"] = np.array(["what nobody asks for"])
    save(folder / "set.npz", archive, compressed=compressed)
    told: list[tuple[int, int]] = []
    done = pack_molecules(folder / "set.npz", folder / "out", OURS, tell=lambda *so_far: told.append(so_far))
    assert done == Packed(len(sizes), 0)
    assert told == [(len(sizes), len(sizes))]
    check_pack(open_pack(folder / "out"), arrays)
    assert sorted(file.name for file in folder.iterdir()) == ["out", "set.npz"]


def test_many_molecules_come_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.formats.molecules.convert.npz.ROWS", 7)
    arrays = naive.content([1, 2, 3] * 10)
    save(tmp_path / "set.npz", {key: array for key, array in padded(arrays).items() if key != "Qtot"})
    pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    arrays["Qtot.f64"][:] = 0
    check_pack(open_pack(tmp_path / "out"), arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"F": None}, r"set.npz: arrays are missing; found E, N, Qtot, R, Z; wanted F"),
        (
            {"Z": np.zeros(4, np.int32)},
            r"set.npz, Z.npy: array of another kind; found \[4\]; wanted \[N, A\]",
        ),
        (
            {"R": np.zeros((4, 3, 2))},
            r"set.npz, R.npy: arrays do not fit; found \[4, 3, 2\]; wanted \[4, 3, 3\]",
        ),
        ({"E": np.zeros(3)}, r"set.npz, E.npy: arrays do not fit; found \[3\]; wanted \[4\]"),
        ({"N": np.array([3, 0, 2, 1])}, r"set.npz, molecule 1: bad size; found N = 0; wanted 1 to 3"),
        ({"N": np.array([3, 1, 4, 1])}, r"set.npz, molecule 2: bad size; found N = 4"),
        ({"E": np.array(["a"] * 4)}, r"set.npz, E.npy: array of another kind; found <U1\[4\]"),
        ({"E": np.array([None] * 4)}, r"set.npz, E.npy: array of another kind; found object"),
        (
            {"R": np.asfortranarray(np.ones((4, 3, 3)))},
            r"set.npz, R.npy: array of another kind; .* in columns",
        ),
        (
            {"E": np.array([0, np.nan, 0, 0])},
            r"set.npz, molecule 1: bad molecule; found E = nan; wanted finite",
        ),
        (
            {"Z": np.zeros((4, 3), np.int32)},
            r"molecule 0, atom 0: bad molecule; found Z = 0; wanted an atomic n",
        ),
        ({"F": np.full((4, 3, 3), 1e300)}, r"molecule 0, atom 0: bad molecule; found F = \[inf inf inf\]"),
    ],
)
def test_bad_archives(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    archive = {**padded(naive.content([3, 1, 2, 1])), **change}
    save(tmp_path / "set.npz", {key: array for key, array in archive.items() if array is not None})
    with pytest.raises(DataError, match=message):
        pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    assert [file.name for file in tmp_path.iterdir()] == ["set.npz"]


def test_bad_molecules_may_be_left_out(tmp_path: Path) -> None:
    arrays = naive.content([2, 3, 1, 2])
    archive = padded(arrays)
    archive["F"][1, 2, 0] = np.nan
    archive["Z"][2, 0] = 119
    save(tmp_path / "set.npz", archive)
    assert pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS, skip_bad=True) == Packed(2, 2)
    pack = open_pack(tmp_path / "out")
    assert pack.energies.tolist() == arrays["E.f64"][[0, 3]].tolist()
    assert pack.numbers.tolist() == arrays["Z_pack.int32"][[0, 1, 6, 7]].tolist()
    archive["E"][:] = np.inf
    save(tmp_path / "none.npz", archive)
    with pytest.raises(NoDataError, match="other: no molecules to pack; found 4, all of them bad"):
        pack_molecules(tmp_path / "none.npz", tmp_path / "other", OURS, skip_bad=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["none.npz", "out", "set.npz"]


def test_damaged_archives(tmp_path: Path) -> None:
    save(tmp_path / "set.npz", padded(naive.content([3] * 200)))
    whole = (tmp_path / "set.npz").read_bytes()
    broken = bytearray(whole)
    broken[2000] ^= 255
    for data in (whole[:-30], whole[:100], b"", b"text", bytes(broken)):
        (tmp_path / "set.npz").write_bytes(data)
        with pytest.raises(DataError, match=r"set.npz.*: bad .np[zy]"):
            pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        for key in "ZRFEN":
            archive.writestr(f"{key}.npy", b"no header")
    with pytest.raises(DataError, match=r"set.npz, Z.npy: bad .npy header"):
        pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)


# --- what is there already, and units ----------------------------------------------------------------


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


# --- HDF5 -------------------------------------------------------------------------------------------


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


# --- real data --------------------------------------------------------------------------------------


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
