from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError, NoDataError
from flowload.formats.molecules.convert.keys import Names
from flowload.formats.molecules.convert.xyz.reader import read_xyz
from flowload.formats.molecules.write import Some

WATER = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy=-76.5 charge=-1 pbc="F F F" note="a b=c"
O 0.0 0.0 0.1 1 2 3
H 0.7e0 0.0 -.5 4.5 5 6
H -0.7 +0 -5E-1 7 8 9.25
"""


def frames(path: Path, keys: Names | None = None) -> Some:
    (some,) = (some for some, _, _ in read_xyz(path, keys))
    return some


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "set.xyz"
    path.write_bytes(text.encode())
    return path


def check_water(some: Some, count: int) -> None:
    assert some.sizes.tolist() == [3] * count
    assert some.numbers.tolist() == [8, 1, 1] * count
    assert some.places.tolist() == [[0, 0, 0.1], [0.7, 0, -0.5], [-0.7, 0, -0.5]] * count
    assert some.forces is not None
    assert some.energies is not None
    assert some.forces.tolist() == [[1, 2, 3], [4.5, 5, 6], [7, 8, 9.25]] * count
    assert some.energies.tolist() == [-76.5] * count
    assert some.charges is not None
    assert some.charges.tolist() == [-1.0] * count


@pytest.mark.parametrize(
    "text",
    [
        WATER,
        WATER.rstrip("\n"),
        WATER + "\n\n",
        WATER.replace("\n", "\r\n"),
        WATER.replace(" ", "\t"),
        WATER.replace("O ", "  O    "),
        WATER.replace("F F F", "[F, F, F]"),
        WATER.replace("energy=-76.5", 'energy="-76.5"').replace(" note", " Energy=3 note"),
        WATER.replace("pos:R:3:forces:R:3", "forces:R:3:pos:R:3").replace(
            WATER[WATER.index("O 0") :],
            "O 1 2 3 0 0 .1\nH 4.5 5 6 0.7 0 -.5\nH 7 8 9.25 -.7 0 -.5\n",
        ),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_spellings(tmp_path: Path, text: str, count: int) -> None:
    text = text if text.endswith("\n") or count == 1 else text + "\n"
    check_water(frames(write(tmp_path, text * count)), count)


def test_columns_that_nobody_asks_for_and_other_names(tmp_path: Path) -> None:
    text = (
        "2\nProperties=Z:I:1:tag:S:1:pos:R:3:f:R:3:mass:R:2 E_dft=1e-3\n"
        "118 x 1 2 3 4 5 6 nan what\n1 yy 1 2 3 4 5 6 7 8\n"
    )
    some = frames(write(tmp_path, text), Names(energy="E_dft", forces="f"))
    assert some.numbers.tolist() == [118, 1]
    assert some.forces is not None
    assert some.energies is not None
    assert some.forces.tolist() == [[4, 5, 6]] * 2
    assert some.energies.tolist() == [1e-3]
    assert some.charges is not None
    assert some.charges.tolist() == [0.0]


@given(
    values=st.lists(st.floats(width=64), min_size=6, max_size=6),
    energy=st.floats(allow_nan=False),
    style=st.sampled_from(["r", ".8f", ".17e", ".3E", "g"]),
)
def test_numbers_are_the_nearest_floats(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], energy: float, style: str
) -> None:
    words = [repr(value) if style == "r" else format(value, style) for value in values]
    head = f"1\nProperties=species:S:1:pos:R:3:forces:R:3 energy={energy!r}\n"
    path = tmp_path_factory.getbasetemp() / "numbers.xyz"
    path.write_text(f"{head}He {' '.join(words)}\n")
    some = frames(path)
    assert some.forces is not None
    assert some.energies is not None
    np.testing.assert_array_equal(
        np.concatenate([some.places[0], some.forces[0]]), [float(word) for word in words]
    )
    assert some.energies.tolist() == [energy]


def test_many_frames_come_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.formats.molecules.convert.xyz.reader.FRAMES", 4)
    path = write(tmp_path, WATER * 10)
    size = len(WATER)
    parts = list(read_xyz(path))
    assert [len(some.sizes) for some, _, _ in parts] == [4, 4, 2]
    assert [told[1:] for told in parts] == [
        (4 * size, 10 * size),
        (8 * size, 10 * size),
        (10 * size, 10 * size),
    ]


LINES = WATER.splitlines()


def line(number: int, text: str) -> str:
    """Two waters, of which the second has another line."""
    return WATER + "\n".join([*LINES[:number], text, *LINES[number + 1 :]]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(0, "x"), r"frame 1, line 6: no count of atoms; found 'x'"),
        (line(0, "0"), r"frame 1, line 6: no count of atoms; found '0'"),
        (line(0, "-3"), r"frame 1, line 6: no count of atoms; found '-3'"),
        (line(0, "99999999999"), r"frame 1, line 6: file ends early; .* wanted 99999999999 atoms"),
        (line(0, "4"), r"frame 1, line 10: file ends early; found 3 atoms; wanted 4 atoms"),
        (line(0, "2"), r"frame 2, line 10: no count of atoms; found 'H -0.7"),
        (
            line(2, "O 1 2 3 4 5"),
            r"frame 1, line 8: too few columns; found 'O 1 2 3 4 5'; wanted atom 1 of 3",
        ),
        (line(3, "H 1 2 3 4 5 6 7"), r"frame 1, line 9: too many columns; found 'H 1 2 3 4 5 6 7'"),
        (
            line(4, "Xx 1 2 3 4 5 6"),
            r"frame 1, line 10: no element; found 'Xx 1 2 3 4 5 6'; wanted atom 3 of 3",
        ),
        (line(4, "Hel 1 2 3 4 5 6"), r"frame 1, line 10: no element; found 'Hel"),
        (line(4, "h 1 2 3 4 5 6"), r"frame 1, line 10: no element; found 'h 1"),
        (line(3, "H 1 2 z 4 5 6"), r"frame 1, line 9: no number; found 'z'"),
        (line(3, "H 1 2 1e 4 5 6"), r"frame 1, line 9: no number; found '1e'"),
        (line(3, "H 1 2 . 4 5 6"), r"frame 1, line 9: no number; found '\.'"),
        (line(3, "H 1 2 1.2.3 4 5 6"), r"frame 1, line 9: no number; found '1\.2\.3'"),
        (
            line(1, LINES[1].replace("energy=", "Energy=")),
            r"frame 1, line 7: no energy; found Properties, Energy",
        ),
        (line(1, LINES[1].replace("-76.5", "low")), r"frame 1, line 7: no number; found energy=low"),
        (line(1, LINES[1].replace("charge=-1", "charge=?")), r"frame 1, line 7: no number; found charge=\?"),
        (
            line(1, LINES[1].replace("forces", "force")),
            r"frame 1, line 7: columns are missing; .* forces:R:3",
        ),
        (line(1, LINES[1].replace("pos:R:3", "pos:R:2")), r"frame 1, line 7: columns are missing"),
        (
            line(1, LINES[1].replace("R:3 e", "R e")),
            r"frame 1, line 7: bad Properties; .*wanted name:letter:width",
        ),
        (
            line(1, LINES[1].replace("F F F", "F F T")),
            r"frame 1, line 7: no cell; found pbc='F F T'; wanted one cell.*--ignore-cell",
        ),
        (line(1, LINES[1].replace('pbc="F F F"', 'Lattice="5 0 0 0 5"')), r"line 7: no cell"),
        (WATER + "3\n", r"frame 1, line 6: file ends early"),
        (WATER + "1\nenergy=1", r"frame 1, line 7: columns are missing"),
        (WATER[:-20], r"frame 0, line 5: too few columns"),
    ],
)
def test_bad_frames_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"set.xyz, .*{message}|set.xyz, {message}"):
        list(read_xyz(write(tmp_path, text)))


def test_periodic_frames_where_the_cell_does_not_matter(tmp_path: Path) -> None:
    text = WATER.replace("F F F", "T T T")
    check_water(frames(write(tmp_path, text), Names(ignore_cell=True)), 1)


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_no_frames(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    if text:
        assert list(read_xyz(path)) == []
        return
    with pytest.raises(NoDataError, match="no frames; found an empty file"):
        list(read_xyz(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["acac_train_300K.xyz", "train_eth_meth.xyz"])
def test_ase_reads_the_same(shared_molecules: Path, name: str) -> None:
    read = pytest.importorskip("ase.io").read
    some = list(read_xyz(shared_molecules / "xyz" / name))
    ase = read(shared_molecules / "xyz" / name, ":")
    assert np.concatenate([part.energies for part, _, _ in some]).tolist() == [
        f.get_potential_energy() for f in ase
    ]
    for field, frame in (("places", "positions"), ("numbers", "numbers")):
        found = np.concatenate([getattr(part, field) for part, _, _ in some])
        np.testing.assert_array_equal(found, np.concatenate([getattr(one, frame) for one in ase]))
    forces = np.concatenate([part.forces for part, _, _ in some])
    np.testing.assert_array_equal(forces, np.concatenate([one.get_forces() for one in ase]))
