"""Frames as ASE writes and reads them: what it reads we do, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError
from flowload.formats.molecules.convert.keys import Names
from flowload.formats.molecules.convert.xyz.reader import read_xyz

ase = pytest.importorskip("ase")
ase_io = pytest.importorskip("ase.io")
SinglePoint = pytest.importorskip("ase.calculators.singlepoint").SinglePointCalculator

numbers = st.floats(-1e3, 1e3)
rows = st.integers(1, 6)


@st.composite
def molecules(draw: Any) -> Any:
    """With or without a cell, a charge, and things that nobody asks for."""
    count = draw(rows)
    atoms = ase.Atoms(
        numbers=draw(st.lists(st.integers(1, 118), min_size=count, max_size=count)),
        positions=draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=count, max_size=count)),
    )
    if draw(st.booleans()):
        atoms.set_cell(np.diag(draw(st.lists(st.floats(1, 50), min_size=3, max_size=3))))
    atoms.set_pbc(draw(st.sampled_from([False, False, True, (True, False, False)])))
    key = draw(st.sampled_from([None, "charge", "total_charge", "Q"]))
    if key is not None:
        atoms.info[key] = draw(st.integers(-3, 3))
    atoms.info.update(
        draw(st.dictionaries(st.sampled_from(["name", "dihedral", "list"]), extras, max_size=3))
    )
    if draw(st.booleans()):
        atoms.set_masses(np.full(count, 2.5))
    forces = np.array(draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=count, max_size=count)))
    atoms.calc = SinglePoint(atoms, energy=draw(numbers), forces=forces)
    return atoms


words = st.text(st.characters(categories=["L", "N"], include_characters=" =-'\"[]{}"), min_size=1, max_size=9)
extras = st.one_of(
    st.integers(), numbers, st.booleans(), words, st.lists(numbers, min_size=2, max_size=4).map(np.array)
)


def charge_of(atoms: Any) -> float:
    """The total charge that a frame of ASE says."""
    return next((float(atoms.info[key]) for key in ("charge", "total_charge", "Q") if key in atoms.info), 0.0)


@pytest.mark.slow
@given(st.lists(molecules(), min_size=1, max_size=4))
def test_what_ase_writes_is_read_as_ase_reads_it(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "ase.xyz"
    ase_io.write(path, frames, format="extxyz")
    wanted = ase_io.read(path, ":")
    without = any(atoms.pbc.any() and not atoms.cell.any() for atoms in wanted)
    assert refusal(path) == ("no cell" if without else None)
    parts = [some for some, _, _ in read_xyz(path, Names(ignore_cell=without))]
    check(parts, wanted)
    if not without:
        check_cells(parts, wanted)


def refusal(path: Path) -> str | None:
    """Why a file is refused, if it is."""
    try:
        list(read_xyz(path))
    except DataError as error:
        return error.reason
    return None


def check_cells(parts: list[Any], wanted: list[Any]) -> None:
    """Our cells are ASE's, where one of its axes is periodic."""
    for part in parts:
        own, wanted = wanted[: len(part.sizes)], wanted[len(part.sizes) :]
        periodic = np.array([atoms.pbc.any() for atoms in own])
        if not periodic.any():
            assert part.cell is None
            continue
        np.testing.assert_array_equal(part.pbc, [atoms.pbc for atoms in own])
        cells = np.array([np.array(atoms.cell) for atoms in own])
        np.testing.assert_array_equal(part.cell, np.where(periodic[:, None, None], cells, 0))


def check(parts: list[Any], wanted: list[Any]) -> None:
    """Our molecules are ASE's frames."""
    join = {name: np.concatenate([getattr(part, name) for part in parts]) for name in parts[0]._fields[:6]}
    assert join["sizes"].tolist() == [len(atoms) for atoms in wanted]
    assert join["numbers"].tolist() == [number for atoms in wanted for number in atoms.numbers.tolist()]
    np.testing.assert_array_equal(join["places"], np.concatenate([atoms.positions for atoms in wanted]))
    np.testing.assert_array_equal(join["forces"], np.concatenate([atoms.get_forces() for atoms in wanted]))
    assert join["energies"].tolist() == [atoms.get_potential_energy() for atoms in wanted]
    assert join["charges"].tolist() == [charge_of(atoms) for atoms in wanted]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["acac_train_300K.xyz", "train_eth_meth.xyz"])
def test_real_frames(shared_molecules: Path, name: str) -> None:
    path = shared_molecules / "xyz" / name
    check([some for some, _, _ in read_xyz(path)], ase_io.read(path, ":"))


BODY = "2\n{} Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5\nO 0 0 0 0 0 1\nH 0 0 1 0 0 -1\n"
CELL = 'Lattice="3 0 0 0 3 0 0 0 3"'


@pytest.mark.parametrize(
    "keys",
    [
        CELL,
        *(
            f"{CELL} pbc={said}"
            for said in (
                "T",
                '"T T T"',
                "'T T T'",
                "{T T T}",
                "[T, T, F]",
                '"1 1 1"',
                "true",
                '"F F T"',
                '"TRUE TRUE TRUE"',
            )
        ),
        *(
            f"{CELL} pbc={said}"
            for said in (
                "F",
                '"F F F"',
                "'F F F'",
                "{F F F}",
                "[F, F, F]",
                '"0 0 0"',
                "false",
                '"False False False"',
            )
        ),
        'pbc="F F F"',
        "",
    ],
)
def test_a_frame_is_as_periodic_as_ase_takes_it_for(tmp_path: Path, keys: str) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(BODY.format(keys))
    wanted = ase_io.read(path)
    check_cells([some for some, _, _ in read_xyz(path)], [wanted])
