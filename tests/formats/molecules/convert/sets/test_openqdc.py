"""Folders of OpenQDC's memory maps, against their bytes as numpy reads them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.sets import openqdc
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack

UNITS = Units(energy="eV", length="angstrom", force="eV/angstrom")
EV = 23.060547830619
SIZES = [3, 1, 5, 2]


def make(folder: Path, methods: int = 2, forces: int = 1) -> dict[str, Any]:
    """As `preprocess` writes it."""
    rng = np.random.default_rng(3)
    ends = np.cumsum(SIZES)
    atoms = int(ends[-1])
    inputs = rng.normal(size=(atoms, 5)).astype(np.float32)
    inputs[:, 0] = rng.integers(1, 20, atoms)
    inputs[:, 1] = rng.integers(-1, 2, atoms)
    arrays: dict[str, Any] = {
        "atomic_inputs": inputs,
        "position_idx_range": np.stack([ends - SIZES, ends], 1).astype(np.int32),
        "energies": rng.normal(size=(len(SIZES), methods)),
    }
    if forces:
        arrays["forces"] = rng.normal(size=(atoms, 3, forces)).astype(np.float32)
    folder.mkdir()
    for name, array in arrays.items():
        array.tofile(folder / f"{name}.mmap")
    (folder / "props.pkl").write_bytes(pickle.dumps({"name": ["a"] * 4}))
    return arrays


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(openqdc, "ROWS", rows)
    arrays = make(tmp_path / "set", methods=3, forces=2)
    keys = {"energy_key": "2", "forces_key": "1", "columns": "formal_charges"}
    done = pack_molecules(tmp_path / "set", tmp_path / "out", UNITS, kind="openqdc", **keys)  # type: ignore[arg-type]
    assert (done.molecules, done.skipped) == (4, 0)
    pack = open_pack(tmp_path / "out")
    inputs = arrays["atomic_inputs"]
    assert np.diff(pack.offsets).tolist() == SIZES
    assert pack.numbers.tolist() == inputs[:, 0].tolist()
    np.testing.assert_array_equal(pack.places, inputs[:, 2:].ravel())
    np.testing.assert_allclose(pack.energies, arrays["energies"][:, 2] * EV, rtol=1e-12)
    np.testing.assert_allclose(pack.forces, arrays["forces"][:, :, 1].ravel() * EV, rtol=1e-6)
    parts = np.split(inputs[:, 1], np.cumsum(SIZES)[:-1])
    assert pack.charges.tolist() == [part.sum() for part in parts]
    formal = np.fromfile(tmp_path / "out" / "formal_charges.f32", "<f4")
    np.testing.assert_array_equal(formal, inputs[:, 1])
    assert done.told.ignored == {"props.pkl": 1}
    assert done.told.used["energy"] == {"energies.mmap, column 2": 4}


def test_one_method_needs_no_number_and_a_folder_no_kind(tmp_path: Path) -> None:
    arrays = make(tmp_path / "set", methods=1, forces=1)
    pack_molecules(tmp_path / "set", tmp_path / "out", UNITS)
    pack = open_pack(tmp_path / "out")
    np.testing.assert_allclose(pack.energies, arrays["energies"][:, 0] * EV, rtol=1e-12)
    np.testing.assert_allclose(pack.forces, arrays["forces"].ravel() * EV, rtol=1e-6)


def test_without_forces(tmp_path: Path) -> None:
    make(tmp_path / "set", methods=1, forces=0)
    done = pack_molecules(tmp_path / "set", tmp_path / "out", UNITS, charge_key="none")
    assert done.told.supposed["no forces"] == 4
    assert not (tmp_path / "out" / "F_pack.f32").exists()
    assert not open_pack(tmp_path / "out").charges.any()


def cut(name: str, count: int) -> Any:
    def change(folder: Path) -> None:
        path = folder / f"{name}.mmap"
        path.write_bytes(path.read_bytes()[:-count])

    return change


def ranges(*pairs: tuple[int, int]) -> Any:
    return lambda folder: np.array(pairs, np.int32).tofile(folder / "position_idx_range.mmap")


def grown(folder: Path) -> None:
    with (folder / "atomic_inputs.mmap").open("ab") as file:
        file.write(bytes(20))
    with (folder / "forces.mmap").open("ab") as file:
        file.write(bytes(12))


GOOD = ((0, 3), (3, 4), (4, 9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            cut("atomic_inputs", 3),
            r"atomic_inputs.mmap: wrong file size; found 217 bytes; wanted a multiple of 20",
        ),
        (cut("position_idx_range", 4), r"position_idx_range.mmap: wrong file size; found 28 bytes"),
        (
            cut("energies", 8),
            r"energies.mmap: bad size; found 24 bytes; wanted a multiple of 32 bytes, for 4",
        ),
        (cut("forces", 4), r"forces.mmap: bad size; found 128 bytes; wanted a multiple of 132 bytes, for 11"),
        (lambda folder: (folder / "energies.mmap").unlink(), r"energies.mmap: no such file"),
        (
            ranges(*GOOD, (8, 11)),
            r"position_idx_range.mmap, molecule 3: bad range of atoms; found atoms 8 to 11",
        ),
        (ranges(*GOOD, (9, 12)), r"molecule 3: bad range of atoms; found atoms 9 to 12; .*within the 11"),
        (ranges(*GOOD, (9, 9)), r"molecule 3: bad range of atoms; found atoms 9 to 9"),
        (ranges(*GOOD, (9, -1)), r"molecule 3: bad range of atoms"),
        (ranges((1, 3), *GOOD[1:], (9, 11)), r"molecule 0: bad range of atoms; .*wanted from 0 on"),
        (grown, r"atomic_inputs.mmap: arrays do not fit; found 12 atoms; wanted the 11"),
    ],
)
def test_folders_that_are_wrong(tmp_path: Path, change: Any, message: str) -> None:
    make(tmp_path / "set", methods=1, forces=1)
    change(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        pack_molecules(tmp_path / "set", tmp_path / "out", UNITS)
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {},
            r"energies.mmap: which method; found 2 methods; wanted --energy-key with one of the columns",
        ),
        ({"energy_key": "2"}, r"energies.mmap: which method; found '2'"),
        ({"energy_key": "pbe"}, r"energies.mmap: which method; found 'pbe'"),
        ({"energy_key": "0"}, r"forces.mmap: which method; found 3 methods; wanted --forces-key"),
        ({"energy_key": "0", "forces_key": "-1"}, r"forces.mmap: which method; found '-1'"),
    ],
)
def test_which_method_is_asked(tmp_path: Path, keys: dict[str, str], message: str) -> None:
    make(tmp_path / "set", methods=2, forces=3)
    with pytest.raises(DataError, match=message):
        pack_molecules(tmp_path / "set", tmp_path / "out", UNITS, **keys)  # type: ignore[arg-type]


def test_a_folder_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openqdc, "ROWS", 1)
    make(tmp_path / "set", methods=1, forces=1)

    def rewrite(done: int, of: int) -> None:
        (tmp_path / "set" / "props.pkl").write_bytes(b"other")

    with pytest.raises(DataError, match="file changed"):
        pack_molecules(tmp_path / "set", tmp_path / "out", UNITS, tell=rewrite)
    with pytest.raises(DataError, match=r"props.pkl: file changed; found no file"):
        pack_molecules(
            tmp_path / "set",
            tmp_path / "out",
            UNITS,
            tell=lambda *_: (tmp_path / "set" / "props.pkl").unlink(True),
        )
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(NoDataError, match=r"atomic_inputs.mmap: no such file; wanted a folder of OpenQDC's"):
        pack_molecules(tmp_path / "set", tmp_path / "out", UNITS, kind="openqdc")
