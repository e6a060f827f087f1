"""Periodic sources keep their cells; what is not clear about one is refused, in every kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert import boxes
from tests.formats.molecules.convert.sources import KINDS, converted, write_xyz

CELL = "3 0 0 0 3 0 1 0 3"
VECTORS = [[3, 0, 0], [0, 3, 0], [1, 0, 3]]

YES = {
    "T T T": (True, True, True),
    "[T, T, T]": (True, True, True),
    "true": (True, True, True),
    "1 1 1": (True, True, True),
    "T,T,T": (True, True, True),
    "True true TRUE": (True, True, True),
    "F F T": (False, False, True),
    "TFT": (True, False, True),
    "yes": (True, True, True),
    ".true. .false. .true.": (True, False, True),
    "1": (True, True, True),
    "on": (True, True, True),
}


def cells_of(pack: Any) -> tuple[list[Any], list[Any]]:
    """Cells and pbc of a packed folder."""
    return pack.columns["cell"].reshape(-1, 3, 3).tolist(), pack.columns["pbc"].reshape(-1, 3).tolist()


def with_words(tmp_path: Path, words: str) -> Path:
    """A frame whose second line has these, too."""
    text = write_xyz(tmp_path).read_text()
    (tmp_path / "set.xyz").write_text(text.replace("energy=", f"{words} energy="))
    return tmp_path / "set.xyz"


WRITTEN = [
    *((said, '"{}"', "pbc") for said in YES),
    *(("F F T", quote, key) for quote in ("'{}'", "{{{}}}") for key in ("PBC", '"pbc"')),
]


@pytest.mark.parametrize(("said", "quote", "key"), WRITTEN)
def test_what_a_frame_says_of_its_axes(tmp_path: Path, said: str, quote: str, key: str) -> None:
    path = with_words(tmp_path, f'Lattice="{CELL}" {key}={quote.format(said)}')
    done, pack = converted(path)
    assert cells_of(pack) == ([VECTORS], [list(YES[said])])
    assert done.told.used["cell"] == {"Lattice": 1}
    assert done.told.used["pbc"] == {key.strip('"'): 1}
    assert not done.told.ignored
    (tmp_path / "out").rename(tmp_path / "first")
    done, pack = converted(path, ignore_cell=True)
    assert done.told.supposed["periodic, cell ignored"] == 1
    assert not pack.columns


@pytest.mark.parametrize("said", ["", "?", "F F x", "T T", "T T T T", "2", "TFX"])
def test_what_is_not_clear_is_refused(tmp_path: Path, said: str) -> None:
    path = with_words(tmp_path, f'Lattice="{CELL}" pbc="{said}"')
    with pytest.raises(DataError, match=r"line 2: unclear pbc; found pbc=.*one T or F, or three"):
        converted(path)
    assert converted(path, ignore_cell=True).done.told.supposed["periodic, cell ignored"] == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("pbc", "no cell"),
        ('pbc="T T T"', "no cell"),
        ('pbc="T T T" Lattice="3 3 3"', "no cell"),
        ('pbc="T T T" Lattice="3 0 0 0 3 0 0 0 x"', "no cell"),
        ('pbc="T T T" Lattice="3 0 0 0 3 0 0 0 1_0"', "no cell"),
        (f'pbc="F F F" PBC="T T T" Lattice="{CELL}"', "pbc that differ"),
        (f'cell="{CELL}" Lattice="4 0 0 0 4 0 0 0 4"', "cells that differ"),
        ('Lattice="3 0 0 0 3 0 0 0 0"', "bad molecule"),
        ('Lattice="3 0 0 0 nan 0 0 0 1"', "bad molecule"),
    ],
)
def test_a_periodic_frame_has_one_cell(tmp_path: Path, words: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        converted(with_words(tmp_path, words))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "said",
    ['"F F F"', "[F, F, F]", "{0 0 0}", "false", "FFF", "'False False False'", "0", '"f,f,f"', "no"],
)
def test_a_frame_that_says_no_is_a_molecule(tmp_path: Path, said: str) -> None:
    done, pack = converted(with_words(tmp_path, f'Lattice="{CELL}" pbc={said}'))
    assert (len(pack), dict(pack.columns)) == (1, {})
    assert not done.told.ignored


@pytest.mark.parametrize(
    "said",
    [
        f'Lattice="{CELL}"',
        f"lattice='{CELL}'",
        f'cell="{CELL}"',
        f"unit_cell={{{CELL}}}",
        "Lattice=[[3, 0, 0], [0, 3, 0], [1, 0, 3]]",
        f'Lattice = "{CELL}"',
        f'Lattice="{CELL}" cell="{CELL}"',
    ],
)
def test_a_cell_alone_is_periodic_along_all_axes(tmp_path: Path, said: str) -> None:
    done, pack = converted(with_words(tmp_path, said))
    assert cells_of(pack) == ([VECTORS], [[True] * 3])
    assert done.told.supposed["no pbc, periodic along all axes"] == 1


def test_molecules_and_crystals_go_together(tmp_path: Path) -> None:
    text = write_xyz(tmp_path).read_text()
    crystal = text.replace("energy=", f'Lattice="{CELL}" energy=')
    (tmp_path / "set.xyz").write_text(text + crystal + text)
    _, pack = converted(tmp_path / "set.xyz")
    zeros = [[0.0] * 3] * 3
    assert cells_of(pack) == ([zeros, VECTORS, zeros], [[False] * 3, [True] * 3, [False] * 3])


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
@pytest.mark.parametrize(
    ("extra", "pbc"),
    [
        ({"cell": np.array([VECTORS])}, [True] * 3),
        ({"Lattice": np.array(VECTORS, np.float32)}, [True] * 3),
        ({"cell": np.array(VECTORS).reshape(1, 9), "pbc": np.array([[1, 0, 1]])}, [True, False, True]),
        ({"cell": np.array(VECTORS).reshape(9), "pbc": np.array([True, False, True])}, [True, False, True]),
        ({"cell": np.array([VECTORS]), "pbc": np.array([True])}, [True] * 3),
        ({"cell": np.array([VECTORS]), "pbc": np.array(1)}, [True] * 3),
    ],
)
def test_cells_in_arrays_are_read(tmp_path: Path, kind: str, extra: dict[str, Any], pbc: list[bool]) -> None:
    path = KINDS[kind](tmp_path, **extra)
    done, pack = converted(path)
    assert cells_of(pack) == ([VECTORS], [pbc])
    assert list(done.told.used["cell"]) == [next(iter(extra))]
    (tmp_path / "out").rename(tmp_path / "first")
    done, pack = converted(path, ignore_cell=True)
    assert done.told.supposed["periodic, cell ignored"] == 1
    assert not pack.columns


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"pbc": np.ones((1, 3), bool)}, "periodic"),
        ({"cell": np.array([VECTORS]), "lattice": np.array([VECTORS])}, "periodic"),
        ({"cell": np.array([VECTORS]), "pbc": np.array([b"F F F"])}, "unclear pbc"),
        ({"cell": np.array([VECTORS]), "pbc": np.array([[0, 0, 2]])}, "unclear pbc"),
        ({"cell": np.array([VECTORS]), "pbc": np.ones((1, 4), bool)}, "unclear pbc"),
        ({"cell": np.ones((1, 3))}, "no cell"),
        ({"cell": np.array([b"3 0 0"])}, "no cell"),
        ({"cell": np.zeros((1, 3, 3)), "pbc": np.ones((1, 3), bool)}, "bad molecule"),
    ],
)
def test_cells_in_arrays_that_are_not_clear(
    tmp_path: Path, kind: str, extra: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataError) as caught:
        converted(KINDS[kind](tmp_path, **extra))
    assert caught.value.reason == reason


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
@pytest.mark.parametrize(
    "extra",
    [
        {"cell": np.array([VECTORS]), "pbc": np.zeros((1, 3), bool)},
        {"cell": np.zeros((1, 3, 3))},
        {"pbc": np.zeros(3, bool)},
    ],
)
def test_arrays_that_say_no_are_of_a_molecule(tmp_path: Path, kind: str, extra: dict[str, Any]) -> None:
    done, pack = converted(KINDS[kind](tmp_path, **extra))
    assert "periodic, cell ignored" not in done.told.supposed
    assert not pack.columns


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_cells_grow_with_the_molecules_and_too_many_are_called_so(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = KINDS[kind](tmp_path, cell=np.array([VECTORS]), pbc=np.array([[True] * 3]))
    monkeypatch.setattr(boxes, "SMALL", 1)  # of what has no line for each molecule
    _, pack = converted(path)
    assert cells_of(pack) == ([VECTORS], [[True] * 3])
    (tmp_path / "out").rename(tmp_path / "first")
    monkeypatch.setattr(boxes, "LARGE", 35)
    with pytest.raises(DataError, match=r"cells too large; found .*wanted at most 35 bytes of cells"):
        converted(path)
