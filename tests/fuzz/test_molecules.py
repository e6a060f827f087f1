"""Converters of molecules: what is damaged is read, or refused by name, and nothing is left of it."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.units import Units
from tests.formats.molecules.convert.sets.test_openqdc import make as write_openqdc
from tests.formats.molecules.convert.sets.test_qm9 import METHANE, in_tar
from tests.formats.molecules.convert.sets.test_qm9 import UNITS as HARTREE
from tests.formats.molecules.convert.sets.test_spice import write_spice
from tests.formats.molecules.convert.sources import OURS, write_ani, write_npz
from tests.fuzz.inputs.mutate import mutants, survives

MOST = 32 << 20  #: bytes at once, for sources of some kilobytes

XYZ = """3
Lattice="9 0 0 0 9 0 0 0 9" pbc="F F F" Properties=species:S:1:pos:R:3:forces:R:3:tag:I:1 energy=-76.5 Q=-1
O 0.0 0.0 0.1 1 2 3 1
H 0.7e0 0.0 -.5 4.5 5 6 2
H -0.7 +0 -5E-1 7 8 9.25000000000000001 3
2
Properties=Z:I:1:pos:R:3:forces:R:3 energy={-1.5} note='x "y" z' list=[1, [2, 3]] Qtot=1 virial="1 2 3"
8 0 0 0 0 0 0.1
1 0 0 0.97 0 0 -0.1
"""


@contextmanager
def little_memory() -> Iterator[None]:
    """Not more than `MOST` is taken inside."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def xyz(folder: Path) -> Path:
    (folder / "set.xyz").write_text(XYZ)
    return folder / "set.xyz"


def ani(folder: Path) -> Path:
    return write_ani(folder, charge=-1, other=3.0)


def npz(folder: Path) -> Path:
    return write_npz(folder, Q=-1, other=3.0)


def deflated(folder: Path) -> Path:
    with np.load(npz(folder)) as arrays:
        np.savez_compressed(folder / "set.npz", **arrays)
    return folder / "set.npz"


def spice(folder: Path) -> Path:
    write_spice(folder / "set.h5")
    return folder / "set.h5"


def rmd17(folder: Path) -> Path:
    arrays: dict[str, Any] = {
        "old_forces": np.ones((2, 9, 3)),
        "coords": np.ones((2, 2, 3)),
        "energies": np.ones(2),
        "forces": np.ones((2, 2, 3)),
    }
    np.savez(folder / "set.npz", nuclear_charges=np.array([8, 1]), **arrays)
    return folder / "set.npz"


def qm9(folder: Path) -> Path:
    (folder / "set.xyz").write_text(METHANE)
    return folder / "set.xyz"


def tar(folder: Path) -> Path:
    return in_tar(folder / "set.tar", {"a.xyz": METHANE}, "w")


def mace(folder: Path) -> Path:
    text = XYZ.replace("energy=", 'config_type=a REF_dipole="1 2 3" REF_energy=').replace(
        ":forces:", ":REF_forces:"
    )
    (folder / "set.xyz").write_text(text)
    return folder / "set.xyz"


class Maker(NamedTuple):
    """A source, and how it is read."""

    make: Callable[[Path], Path]
    first: int | None  #: bytes that damage begins in
    molecules: int = 1
    how: dict[str, Any] = {}  # noqa: RUF012 - never changed
    units: Units = OURS


MAKERS: dict[str, Maker] = {
    "xyz": Maker(xyz, 110, 2),
    "npz": Maker(npz, 400),
    "deflated npz": Maker(deflated, 400),
    "hdf5": Maker(ani, 2048),
    "spice": Maker(spice, 4096, 9, {"kind": "spice", "columns": ["dipole", "mbis_charges"]}),
    "rmd17": Maker(rmd17, None, 2),
    "qm9": Maker(qm9, None, 1, {"kind": "qm9", "columns": "all"}, HARTREE),
    "qm9 in a tar": Maker(tar, None, 1, {"kind": "qm9"}, HARTREE),
    "mace": Maker(mace, None, 2, {"kind": "mace", "columns": ["dipole", "config_type"]}),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_damaged_sources(tmp_path: Path, kind: str, skip_bad: bool, fuzz_count: int) -> None:
    make, first, molecules, how, units = MAKERS[kind]
    path = make(tmp_path)
    valid, out = path.read_bytes(), tmp_path / "out"
    assert pack_molecules(path, out, units, **how).molecules == molecules
    shutil.rmtree(out)
    read = 0
    for number, data in enumerate(
        mutants(valid, count=fuzz_count // 3, seed=4 + len(kind) + 100 * skip_bad, first=first)
    ):
        path.write_bytes(data)
        with little_memory():
            read += survives(
                lambda: pack_molecules(path, out, units, skip_bad=skip_bad, **how), f"{kind} {number}"
            )
        shutil.rmtree(out, ignore_errors=True)
        assert sorted(tmp_path.iterdir()) == [path]  # no draft
    assert 0 < read < fuzz_count // 3  # the damage is neither too small nor too large to tell anything


@pytest.mark.parametrize("name", ["atomic_inputs", "position_idx_range", "energies", "forces"])
def test_damaged_memory_maps(tmp_path: Path, name: str, fuzz_count: int) -> None:
    write_openqdc(tmp_path / "set", methods=1, forces=1)
    path, out = tmp_path / "set" / f"{name}.mmap", tmp_path / "out"
    for number, data in enumerate(mutants(path.read_bytes(), count=fuzz_count // 5, seed=len(name))):
        path.write_bytes(data)
        with little_memory():
            survives(lambda: pack_molecules(tmp_path / "set", out, OURS), f"{name} {number}")
        shutil.rmtree(out, ignore_errors=True)
        assert [each.name for each in tmp_path.iterdir()] == ["set"]
