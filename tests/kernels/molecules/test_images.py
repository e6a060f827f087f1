"""Neighbours under periodic boundaries: those of a slow twin, of ASE, and of matscipy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.molecules.images import OUTSIDE, count_images, fill_images, find_images
from flowload.kernels.molecules.lattice import IMAGES, find_bad_cells
from flowload.kernels.stopping import STOPPED
from tests.kernels.molecules import naive

ase = pytest.importorskip("ase")
build = pytest.importorskip("ase.build")
neighbor_list = pytest.importorskip("ase.neighborlist").neighbor_list
crystal = pytest.importorskip("ase.spacegroup").crystal
matscipy_list = pytest.importorskip("matscipy.neighbours").neighbour_list

Array = NDArray[Any]


def neighbours(
    places: list[Array], cells: Array, pbc: Array, cutoff: float, *, slots: int, half: bool = False
) -> Array:
    """(pairs, 5): dst, src and shift, of several molecules padded to so many slots."""
    sizes, stop = np.array([len(each) for each in places], np.int32), np.zeros(1, np.uint8)
    padded = np.full((len(places), slots, 3), np.nan, np.float32)
    for b, each in enumerate(places):
        padded[b, : len(each)] = each
    flat = padded.reshape(len(places), -1)
    found, count = find_images(flat, sizes, cells, pbc, (cutoff, half), stop)
    assert count >= 0
    dst, src, shifts = (np.full((count, *shape), -9, np.int32) for shape in ((), (), (3,)))
    assert fill_images(dst, src, shifts, found, sizes, slots, stop) == count
    return np.column_stack([dst, src, shifts])


def in_order(pairs: Array) -> Array:
    """Sorted by dst, src, and shift."""
    return pairs[np.lexsort(pairs.T[::-1])]


# --- the twin -----------------------------------------------------------------------------------------

NUMBER = st.integers(-400, 400).map(lambda value: np.float32(value / 64))
VECTOR = st.tuples(NUMBER, NUMBER, NUMBER)
PBC = st.tuples(st.booleans(), st.booleans(), st.booleans())


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Atoms, wherever they lie, in a cell of any shape that is not tiny."""
    places = np.array(draw(st.lists(VECTOR, min_size=1, max_size=4)), np.float32)
    slant = np.array(draw(st.tuples(VECTOR, VECTOR, VECTOR)), np.float64) / 8
    cell = np.diag(draw(st.tuples(*[st.floats(1.6, 7)] * 3))) + slant
    return places, cell, np.array(draw(PBC))


@pytest.mark.slow
@given(st.lists(boxes(), min_size=1, max_size=3), st.floats(0.3, 4), st.booleans())
def test_neighbours_are_those_of_the_twin(
    molecules: list[tuple[Array, Array, Array]], cutoff: float, half: bool
) -> None:
    cells, pbc = (np.array([each[k] for each in molecules]) for k in (1, 2))
    why = np.zeros(len(cells), np.uint8)
    assume(not find_bad_cells(cells, pbc, cutoff, why, 1, 2))
    slots = max(len(places) for places, _, _ in molecules) + 1
    wanted = []
    for b, (places, cell, axes) in enumerate(molecules):
        gauges = np.linalg.norm(np.linalg.inv(cell), axis=0)  # over one: the heights of the cell
        spread = np.abs(places.astype(np.float64) @ np.linalg.inv(cell)).max()
        reach = int(2 * spread + cutoff * gauges.max()) + 2
        assume(reach <= 9)
        for i, j, *shift in naive.images(places, cell, axes.tolist(), cutoff, reach):
            if not half or i < j or (i == j and tuple(shift) > (0, 0, 0)):
                wanted.append((b * slots + i, b * slots + j, *shift))
    found = neighbours([each[0] for each in molecules], cells, pbc, cutoff, slots=slots, half=half)
    assert found.tolist() == [list(each) for each in wanted]


# --- ASE and matscipy ---------------------------------------------------------------------------------

CRYSTALS = {
    "copper, one atom": lambda: build.bulk("Cu"),
    "silicon": lambda: build.bulk("Si", cubic=True),
    "wurtzite": lambda: build.bulk("ZnO", "wurtzite", a=3.25, c=5.2) * (3, 2, 1),
    "rutile": lambda: crystal(
        ["Ti", "O"], [(0, 0, 0), (0.3, 0.3, 0)], spacegroup=136, cellpar=[4.6, 4.6, 2.95, 90, 90, 90]
    ),
    "chalcanthite, triclinic": lambda: crystal(
        ["Cu", "Cu", "S"],
        [(0, 0, 0), (0.5, 0.5, 0), (0.01, 0.29, 0.62)],
        spacegroup=2,
        cellpar=[6.11, 10.67, 5.95, 97.6, 107.2, 77.6],
    ),
    "a sliver": lambda: ase.Atoms(
        "He2", [(0, 0, 0), (1, 2, 1)], cell=[(9, 0, 0), (8, 2, 0), (7, 1, 3)], pbc=True
    ),
    "a slab": lambda: build.fcc111("Al", (3, 2, 4), vacuum=6),
    "water": lambda: build.molecule("H2O", vacuum=3),
}


@functools.cache
def atoms_of(name: str, pbc: tuple[bool, ...]) -> Any:
    """Atoms a little off their places, some of them some cells away, at places that float32 can hold."""
    atoms, rng = CRYSTALS[name](), np.random.default_rng(len(name))
    atoms.rattle(0.05, seed=1)
    atoms.positions += rng.integers(-3, 4, (len(atoms), 3)) @ np.array(atoms.cell)
    atoms.positions = atoms.positions.astype(np.float32)
    atoms.pbc = pbc
    return atoms


MIXED = [(True, True, True), (True, True, False), (False, True, True), (True, False, False), (False,) * 3]


@pytest.mark.parametrize("pbc", MIXED)
@pytest.mark.parametrize("name", CRYSTALS)
def test_neighbours_are_those_of_ase_and_matscipy(name: str, pbc: tuple[bool, ...]) -> None:
    atoms = atoms_of(name, pbc)
    cells, axes = np.array(atoms.cell)[None], np.array([pbc])
    for cutoff in (2.1, 4.3, 8.9):
        found = neighbours([atoms.positions], cells, axes, cutoff, slots=len(atoms))
        wanted = in_order(np.column_stack(neighbor_list("ijS", atoms, cutoff)))
        np.testing.assert_array_equal(found, wanted)
        other = matscipy_list("ijS", atoms, cutoff)
        np.testing.assert_array_equal(found, in_order(np.column_stack(other)))
        apart = atoms.positions[found[:, 1]] + found[:, 2:] @ cells[0] - atoms.positions[found[:, 0]]
        assert (np.linalg.norm(apart, axis=1) < cutoff).all()


@pytest.mark.parametrize("name", ["copper, one atom", "silicon", "chalcanthite, triclinic", "a slab"])
def test_half_a_list_has_each_pair_once(name: str) -> None:
    atoms = atoms_of(name, (True, True, True))
    cells, axes = np.array(atoms.cell)[None], np.ones((1, 3), bool)
    full, half = (
        neighbours([atoms.positions], cells, axes, 5.0, slots=len(atoms), half=each) for each in (False, True)
    )
    mirrored = np.column_stack([half[:, 1], half[:, 0], -half[:, 2:]])
    np.testing.assert_array_equal(in_order(np.concatenate([half, mirrored])), full)
    assert (half[:, 0] <= half[:, 1]).all()
    assert 2 * len(half) == len(full)
    np.testing.assert_array_equal(half, in_order(half))


@pytest.mark.parametrize("pbc", MIXED[1:])
@pytest.mark.parametrize("other", [0.0, np.nan, 1e9])
def test_what_a_cell_says_along_other_axes_does_not_matter(pbc: tuple[bool, ...], other: float) -> None:
    atoms = atoms_of("wurtzite", pbc)
    cells, axes = np.array(atoms.cell)[None], np.array([pbc])
    wanted = neighbours([atoms.positions], cells, axes, 4.3, slots=len(atoms))
    cells[~axes] = other
    np.testing.assert_array_equal(neighbours([atoms.positions], cells, axes, 4.3, slots=len(atoms)), wanted)
    assert len(wanted) or not any(pbc)  # by then atoms lie some cells apart


def test_many_atoms_are_sorted_to_many_bins() -> None:
    atoms = build.bulk("Cu", cubic=True) * (6, 5, 7)
    atoms.rattle(0.1, seed=2)
    atoms.positions = atoms.positions.astype(np.float32)
    cells, axes = np.array(atoms.cell)[None], np.ones((1, 3), bool)
    found = neighbours([atoms.positions], cells, axes, 3.3, slots=len(atoms))
    other = in_order(np.column_stack(matscipy_list("ijS", atoms, 3.3)))
    np.testing.assert_array_equal(found, other)


# --- what cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "pbc", "why"),
    [
        (np.eye(3), [True] * 3, 0),
        (np.zeros((3, 3)), [False] * 3, 0),
        (np.full((3, 3), np.nan), [False] * 3, 0),
        ([[2, 0, 0], [9, 9, 9], [9, 9, 9]], [True, False, False], 0),
        (np.zeros((3, 3)), [False, True, False], 1),
        ([[1, 0, 0], [2, 0, 0], [0, 0, 1]], [True, True, False], 1),
        ([[1, 0, 0], [2, 0, 0], [0, 0, 1]], [True, False, True], 0),
        ([[0, 0, 1], [2, 0, 0], [0, 0, -3]], [True, False, True], 1),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 1e-7]], [True] * 3, 1),
        ([[1, 0, 0], [1, 1e-7, 0], [0, 0, 1]], [True, True, False], 1),
        ([[1, 0, 0], [0, np.inf, 0], [0, 0, 1]], [True] * 3, 1),
        ([[1, 0, 0], [0, np.nan, 0], [0, 0, 1]], [True] * 3, 1),
        (np.eye(3) * 1e-3, [True] * 3, 2),
        ([[1e-6, 0, 0], [0, 1, 0], [0, 0, 1]], [True, False, False], 2),
    ],
)
def test_cells_without_a_volume_are_found(cell: Any, pbc: list[bool], why: int) -> None:
    found = np.array([0, 5, 0], np.uint8)
    cells, axes = np.array([np.eye(3), cell, cell], np.float64), np.array([[True] * 3, pbc, pbc])
    assert find_bad_cells(cells, axes, 4.0, found, 1, 2) == (why > 0)
    assert found.tolist() == [0, 5, why]
    assert 1e3**3 > IMAGES > 1e5


def test_an_atom_too_far_outside_is_told() -> None:
    places = np.zeros((3, 6), np.float32)
    places[1, 4] = 1e30
    cells, pbc = np.tile(np.eye(3), (3, 1, 1)), np.ones((3, 3), bool)
    sizes, stop = np.full(3, 2, np.int32), np.zeros(1, np.uint8)
    assert find_images(places, sizes, cells, pbc, (1.0, False), stop)[1] == OUTSIDE - 1


def test_it_stops_where_the_flag_is_set() -> None:
    places, sizes = np.zeros((1, 6), np.float32), np.full(1, 2, np.int32)
    cells, pbc = np.eye(3)[None], np.ones((1, 3), bool)
    stop = np.ones(1, np.uint8)
    assert find_images(places, sizes, cells, pbc, (1.5, False), stop)[1] == STOPPED
    found, count = find_images(places, sizes, cells, pbc, (1.5, False), np.zeros(1, np.uint8))
    out = np.empty(count, np.int32)
    assert fill_images(out, out.copy(), np.empty((count, 3), np.int32), found, sizes, 2, stop) == STOPPED


@pytest.mark.slow
def test_counts_are_those_of_the_lists() -> None:
    frames = [atoms_of(name, (True, True, False)) for name in ("silicon", "a slab", "wurtzite")]
    places = np.concatenate([atoms.positions for atoms in frames]).astype(np.float32).ravel()
    spoilt = places.copy()
    spoilt[3] = 1e30
    places.flags.writeable = spoilt.flags.writeable = False  # as maps of files are
    offsets = np.cumsum([0, *(len(atoms) for atoms in frames)])
    rows = np.array([2, 0, 1, 2])
    cells = np.array([np.array(frames[row].cell) for row in rows])
    pbc = np.array([frames[row].pbc for row in rows])
    for half in (False, True):
        counts = np.empty(4, np.int64)
        total = count_images(places, offsets, rows, (cells, pbc), (4.0, half), counts, np.zeros(1, np.uint8))
        wanted = [
            len(neighbours([frames[row].positions], cells[k, None], pbc[k, None], 4.0, slots=99, half=half))
            for k, row in enumerate(rows.tolist())
        ]
        assert counts.tolist() == wanted
        assert total == sum(wanted)
    stopped = count_images(places, offsets, rows, (cells, pbc), (4.0, False), counts, np.ones(1, np.uint8))
    assert stopped == STOPPED
    count_images(spoilt, offsets, rows, (cells, pbc), (4.0, False), counts, np.zeros(1, np.uint8))
    assert counts[1] == 0 < counts[0]
