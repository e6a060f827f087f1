"""QM9 in its own kind of XYZ: a tar, a folder and a file, against a plain reading."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.molecules.convert.pack import pack_molecules
from flowload.formats.molecules.convert.sets import qm9
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack

UNITS = Units(energy="hartree", length="angstrom", force="hartree/angstrom")
HARTREE = 627.5094740631

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t\
-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-8.7664373*^-5\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 9.063972942*^-1\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
WATER = """3
gdb 3\t799.58812\t437.90386\t282.94545\t1.8511\t6.31\t-0.2928\t0.0687\t0.3615\t19.0002\t0.021375\t\
-76.404702\t-76.401867\t-76.400922\t-76.422349\t6.002\t
O\t-0.0343604951\t 0.9775395708\t 0.0076015923\t-0.589706
H\t 0.0647664923\t 0.0205721989\t 0.0015346341\t 0.294853
H\t 0.8717903737\t 1.3007924048\t 6.931*^-6\t 0.294853
1671.4222\t3803.6305\t3907.698
O\tO\t
InChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2
"""
ACETYLENE = """4
gdb 4\t0.\t35.6100361\t35.6100361\t0.\t16.28\t-0.2845\t0.0506\t0.3351\t59.5248\t0.026841\t-77.308427\t\
-77.305527\t-77.304583\t-77.327429\t8.574\t
C\t 0.5995394918\t 0.\t 1.\t-0.207019
C\t-0.5995394918\t 0.\t 1.\t-0.207019
H\t-1.6616385861\t 0.\t 1.\t 0.207019
H\t 1.6616385861\t 0.\t 1.\t 2.07019*^-1
549.7648\t549.7648\t795.2713\t795.2713\t2078.1639\t3420.5631\t3524.4357
C#C\tC#C\t
InChI=1S/C2H2/c1-2/h1-2H\tInChI=1S/C2H2/c1-2/h1-2H
"""
ALL = {"a_1.xyz": METHANE, "a_3.xyz": WATER, "a_4.xyz": ACETYLENE}
NAMES = ["A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv"]


class Plain(NamedTuple):
    """One molecule, read line by line."""

    numbers: list[int]
    atoms: Any  #: (n, 4): place and charge
    properties: list[float]


def plain(text: str) -> Plain:
    """As the readme beside the data says it."""
    lines = text.replace("*^", "e").split("\n")
    count = int(lines[0])
    words = [line.split() for line in lines[2 : 2 + count]]
    elements = {"H": 1, "C": 6, "O": 8}
    return Plain(
        [elements[row[0]] for row in words],
        np.array([[float(word) for word in row[1:]] for row in words]),
        [float(word) for word in lines[1].split()[2:]],
    )


def in_tar(path: Path, texts: dict[str, str], mode: Any = "w:bz2") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def in_folder(path: Path, texts: dict[str, str]) -> Path:
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    (path / "readme.txt").write_text("no molecule")
    return path


def in_file(path: Path, texts: dict[str, str]) -> Path:
    path.write_text("".join(texts.values()))
    return path


SOURCES: dict[str, Any] = {
    "set.xyz.tar.bz2": in_tar,
    "set.tar": lambda path, texts: in_tar(path, texts, "w"),
    "set.tgz": lambda path, texts: in_tar(path, texts, "w:gz"),
    "folder": in_folder,
    "all.xyz": in_file,
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_every_kind_of_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at_once: int
) -> None:
    monkeypatch.setattr(qm9, "MOLECULES", at_once)
    path = SOURCES[name](tmp_path / name, ALL)
    done = pack_molecules(path, tmp_path / "out", UNITS, kind="qm9", columns="all")
    assert (done.molecules, done.skipped) == (3, 0)
    wanted = [plain(text) for text in ALL.values()]
    pack = open_pack(tmp_path / "out")
    assert pack.numbers.tolist() == [number for each in wanted for number in each.numbers]
    atoms = np.concatenate([each.atoms for each in wanted])
    np.testing.assert_array_equal(pack.places, atoms[:, :3].astype(np.float32).ravel())
    energies = [each.properties[NAMES.index("U0")] for each in wanted]
    np.testing.assert_allclose(pack.energies, np.array(energies) * HARTREE, rtol=1e-11)
    for place, property_ in enumerate(NAMES):
        found = np.fromfile(tmp_path / "out" / f"{property_}.f64", "<f8")
        assert found.tolist() == [each.properties[place] for each in wanted]
    charges = np.fromfile(tmp_path / "out" / "mulliken_charges.f32", "<f4")
    np.testing.assert_array_equal(charges, atoms[:, 3].astype(np.float32))
    assert not (tmp_path / "out" / "F_pack.f32").exists()
    assert pack.groups is not None
    assert pack.groups.tolist() == [1, 3, 4]
    assert done.told.ignored == {"frequencies": 3, "SMILES": 3, "InChI": 3}


def test_another_energy_and_few_columns(tmp_path: Path) -> None:
    path = in_file(tmp_path / "all.xyz", ALL)
    done = pack_molecules(path, tmp_path / "out", UNITS, kind="qm9", energy_key="H", columns=["mu", "gap"])
    wanted = np.array([plain(text).properties[NAMES.index("H")] for text in ALL.values()])
    np.testing.assert_allclose(open_pack(tmp_path / "out").energies, wanted * HARTREE, rtol=1e-11)
    assert sorted(each.name for each in (tmp_path / "out").glob("*.f64")) == [
        "E.f64",
        "Qtot.f64",
        "gap.f64",
        "mu.f64",
    ]
    assert done.told.used["energy"] == {"H": 3}
    assert done.told.ignored["U0"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("5\n", "x\n"), r"bad.xyz, line 1: no count of atoms; found 'x'"),
        (("5\n", "0\n"), r"bad.xyz, line 1: no count of atoms"),
        (("5\n", "5000\n"), r"bad.xyz, line 1: no count of atoms"),
        (("5\n", "6\n"), r"bad.xyz, line 1: file ends early; found 10 lines; wanted the 11 of 6 atoms"),
        (("5\n", "4\n"), r"bad.xyz, line 7: no frequencies; found 5 words; wanted 6 or 7, behind 4 atoms"),
        (("C\t-0.01", "Q\t-0.01"), r"bad.xyz, line 1, atom 0: no element; found 'Q"),
        (("H\t 1.01", "D\t 1.01"), r"bad.xyz, line 1, atom 2: isotope; found 'D"),
        (("\t 0.133922", ""), r"bad.xyz, line 1, atom 2: too few columns; found 'H"),
        (("0.133922", "0.133922 7"), r"bad.xyz, line 1, atom 2: too many columns"),
        (("0.133922", "0.13_922"), r"bad.xyz, line 1, atom 2: no number; found '0.13_922'"),
        (("8.7664373*^-5", "8.7664373^-5"), r"bad.xyz, line 1, atom 3: no number; found '-8.7664373\^-5'"),
        (("35.3641\t", ""), r"bad.xyz, line 1, properties: too few columns; found 'gdb 1"),
        (("35.3641\t", "35.3641\t1\t"), r"bad.xyz, line 1, properties: too many columns"),
        (("35.3641\t", "x\t"), r"bad.xyz, line 1, properties: no number; found 'x'"),
        (("0.133921", "nan"), r"molecule 0, atom 1: bad molecule; found mulliken_charges = nan"),
        (("1341.307\t", ""), r"bad.xyz, line 8: no frequencies; found 8 words"),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in METHANE
    path = in_file(tmp_path / "bad.xyz", {"a": METHANE.replace(*change, 1)})
    with pytest.raises(DataError, match=message):
        pack_molecules(path, tmp_path / "out", UNITS, kind="qm9", columns=["mulliken_charges"])
    assert [each.name for each in tmp_path.iterdir()] == ["bad.xyz"]


def test_the_molecule_is_named_among_many(tmp_path: Path) -> None:
    bad = ACETYLENE.replace("-1.6616385861", "x")
    path = in_tar(tmp_path / "s.tar.bz2", {**ALL, "a_4.xyz": bad})
    with pytest.raises(DataError, match=r"s.tar.bz2, a_4.xyz, line 1, atom 2: no number; found 'x'"):
        pack_molecules(path, tmp_path / "out", UNITS, kind="qm9")
    path = in_file(tmp_path / "s.xyz", {**ALL, "a_4.xyz": bad})
    with pytest.raises(DataError, match=r"s.xyz, line 19, atom 2: no number; found 'x'"):
        pack_molecules(path, tmp_path / "out", UNITS, kind="qm9")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_that_is_cut_off_anywhere_is_an_error(tmp_path: Path, mode: str) -> None:
    path = in_tar(tmp_path / "s.tar", ALL, mode)
    data = path.read_bytes()
    whole = len(data)
    if mode == "w":  # of the zeros at the end, one block is enough
        whole = -(-len(data.rstrip(b"\0")) // 512) * 512 + 512
    for size in [*range(0, whole, whole // 30), whole - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"s.tar"):
            pack_molecules(path, tmp_path / "out", UNITS, kind="qm9")
    assert [each.name for each in tmp_path.iterdir()] == ["s.tar"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_with_a_flipped_bit_is_an_error(tmp_path: Path, mode: str) -> None:
    path = in_tar(tmp_path / "s.tar", ALL, mode)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 4, len(data) - 20, len(data) // 20):
        data[place] ^= 4
        path.write_bytes(data)
        data[place] ^= 4
        with pytest.raises(DataError, match=r"s.tar"):
            pack_molecules(path, tmp_path / "out", UNITS, kind="qm9")


def test_sources_without_molecules(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"s.tar: no member; found none; wanted members \*.xyz"):
        pack_molecules(in_tar(tmp_path / "s.tar", {"a.txt": "x"}), tmp_path / "out", UNITS, kind="qm9")
    with pytest.raises(NoDataError, match=r"folder: no file; found none; wanted files \*.xyz"):
        pack_molecules(in_folder(tmp_path / "folder", {}), tmp_path / "out", UNITS, kind="qm9")


def test_a_member_that_is_too_large(tmp_path: Path) -> None:
    path = in_tar(tmp_path / "s.tar.bz2", {"a.xyz": " " * (2 << 20)})
    with pytest.raises(
        DataError, match=r"a.xyz: file too large; found 2,097,152 bytes; wanted at most 1,048,576"
    ):
        pack_molecules(path, tmp_path / "out", UNITS, kind="qm9")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"energy_key": "energy"}, "energy_key is 'energy'; QM9 has A, B, C, mu"),
        ({"forces_key": "forces"}, "QM9 has no forces"),
        ({"gradient_key": "g"}, "QM9 has no forces"),
        ({"charge_key": "q"}, "no molecule of QM9 is charged"),
        ({"columns": ["dipole"]}, "no column 'dipole' is known of the kind 'qm9'"),
    ],
)
def test_what_qm9_does_not_have(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    path = in_file(tmp_path / "all.xyz", ALL)
    with pytest.raises(GraphError, match=message):
        pack_molecules(path, tmp_path / "out", UNITS, kind="qm9", **keys)
    assert [each.name for each in tmp_path.iterdir()] == ["all.xyz"]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            Units(energy="eV", length="angstrom"),
            "U0 by QM9's readme: another unit of energy; found 'hartree'",
        ),
        (Units(energy="hartree", length="nm"), "positions by QM9's readme: another unit of length"),
    ],
)
def test_units_that_the_set_does_not_have(tmp_path: Path, units: Units, message: str) -> None:
    path = in_file(tmp_path / "all.xyz", ALL)
    with pytest.raises(DataError, match=message):
        pack_molecules(path, tmp_path / "out", units, kind="qm9")
