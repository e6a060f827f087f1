"""A crystal is never packed as a molecule unseen: periodic unless clearly not, in every kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError
from tests.formats.molecules.convert.sources import KINDS, converted, write_xyz

CELL = "3 0 0 0 3 0 0 0 3"


@pytest.mark.parametrize(
    "said",
    [
        "T T T",
        "[T, T, T]",
        "true",
        "1 1 1",
        "T,T,T",
        "True true TRUE",
        "F F T",
        "TTT",
        "yes",
        ".true.",
        "",
        "?",
        "1",
        "F F x",
        "on",
    ],
)
@pytest.mark.parametrize("quote", ['"{}"', "'{}'", "{{{}}}"])
@pytest.mark.parametrize("cell", ["", f'Lattice="{CELL}"'])
def test_a_frame_is_periodic_unless_it_clearly_says_no(
    tmp_path: Path, said: str, quote: str, cell: str
) -> None:
    text = write_xyz(tmp_path).read_text()
    for key in ("pbc", "PBC", '"pbc"'):
        (tmp_path / "set.xyz").write_text(
            text.replace("energy=", f"{cell} {key}={quote.format(said)} energy=")
        )
        with pytest.raises(
            DataError, match=r"line 2: periodic; found .*wanted pbc=.F F F., or --ignore-cell"
        ):
            converted(tmp_path / "set.xyz")
    done, _ = converted(tmp_path / "set.xyz", ignore_cell=True)
    assert done.told.supposed["periodic, cell ignored"] == 1


@pytest.mark.parametrize(
    "said",
    [
        '"F F F"',
        "[F, F, F]",
        "{0 0 0}",
        "false",
        "FFF",
        "'False False False'",
        '".false. .false. .false."',
        "0",
        '"f,f,f"',
        "no",
    ],
)
def test_a_frame_that_says_no_is_a_molecule(tmp_path: Path, said: str) -> None:
    text = write_xyz(tmp_path).read_text()
    (tmp_path / "set.xyz").write_text(text.replace("energy=", f'Lattice="{CELL}" pbc={said} energy='))
    done, pack = converted(tmp_path / "set.xyz")
    assert len(pack) == 1
    assert not done.told.ignored


@pytest.mark.parametrize(
    "said",
    [
        f'Lattice="{CELL}"',
        f"lattice='{CELL}'",
        f'cell="{CELL}"',
        f"unit_cell={{{CELL}}}",
        "Lattice=[[3, 0, 0], [0, 3, 0], [0, 0, 3]]",
        f'Lattice = "{CELL}"',
        "pbc",
        'pbc="F F F" PBC="T T T"',
    ],
)
def test_a_cell_alone_is_periodic(tmp_path: Path, said: str) -> None:
    text = write_xyz(tmp_path).read_text()
    (tmp_path / "set.xyz").write_text(text.replace("energy=", f"{said} energy="))
    with pytest.raises(DataError, match=r"frame 0, line 2: periodic"):
        converted(tmp_path / "set.xyz")


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
@pytest.mark.parametrize(
    "extra",
    [
        {"cell": np.eye(3)[None]},
        {"Lattice": np.zeros((1, 3, 3))},
        {"pbc": np.ones((1, 3), bool)},
        {"pbc": np.array([[0, 0, 1]])},
        {"pbc": np.array([b"F F F"])},
    ],
)
def test_a_cell_in_arrays_is_one_too(tmp_path: Path, kind: str, extra: dict[str, Any]) -> None:
    path = KINDS[kind](tmp_path, **extra)
    with pytest.raises(
        DataError, match=r"periodic; found (cell|Lattice|pbc); wanted pbc of zeros, or --ignore"
    ):
        converted(path)
    assert converted(path, ignore_cell=True).done.told.supposed["periodic, cell ignored"] == 1


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_arrays_that_say_no_are_of_a_molecule(tmp_path: Path, kind: str) -> None:
    done, _ = converted(KINDS[kind](tmp_path, cell=np.eye(3)[None], pbc=np.zeros((1, 3), bool)))
    assert "periodic, cell ignored" not in done.told.supposed
