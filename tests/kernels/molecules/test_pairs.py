from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.molecules.cells import count_near_cells, fill_near_cells
from flowload.kernels.molecules.pairs import fill_pairs, fill_pairs_within, room_within
from flowload.kernels.stopping import STOPPED
from tests.kernels.molecules import naive

GO_ON, STOP = np.zeros(1, np.uint8), np.ones(1, np.uint8)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), spare=st.integers(0, 2))
def test_all_pairs_of_real_atoms(sizes: list[int], spare: int) -> None:
    slots = max(sizes) + spare
    wanted = naive.near_pairs([np.zeros((size, 3), np.float32) for size in sizes], slots)
    dst, src = (np.full(len(wanted), -1, np.int32) for _ in range(2))
    assert fill_pairs(dst, src, np.array(sizes, np.int32), slots, GO_ON) == len(wanted)
    assert list(zip(dst.tolist(), src.tolist(), strict=True)) == wanted


def test_pairs_of_all_slots_are_those_of_the_formats_page() -> None:
    slots = 7
    dst, src = (np.empty(slots * (slots - 1), np.int32) for _ in range(2))
    fill_pairs(dst, src, np.array([slots], np.int32), slots, GO_ON)
    np.testing.assert_array_equal(dst, np.repeat(np.arange(slots), slots - 1))
    np.testing.assert_array_equal(src, [j for i in range(slots) for j in range(slots) if j != i])


def molecules(sizes: list[int], spread: float, seed: int, slots: int) -> NDArray[np.float32]:
    """(molecules, 3 * slots), wild numbers where there is no atom."""
    places = np.full((len(sizes), slots, 3), np.nan, np.float32)
    rng = np.random.default_rng(seed)
    for place, size in zip(places, sizes, strict=True):
        place[:size] = rng.normal(size=(size, 3), scale=spread)
    return places.reshape(len(sizes), -1)


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    spread=st.sampled_from([0.0, 0.5, 3.0, 1e4]),
    cutoff=st.sampled_from([0.5, 2.0, 1e3]),
    seed=st.integers(0, 1 << 32),
)
def test_pairs_within_a_cutoff(sizes: list[int], spread: float, cutoff: float, seed: int) -> None:
    slots = max(sizes) + 1
    places = molecules(sizes, spread, seed, slots)
    atoms = [row.reshape(-1, 3)[:size] for row, size in zip(places, sizes, strict=True)]
    wanted = naive.near_pairs(atoms, slots, cutoff)
    room = room_within(places, np.array(sizes, np.int32), cutoff, GO_ON)
    assert room > len(wanted)
    dst, src = (np.full(room, -1, np.int32) for _ in range(2))
    count = fill_pairs_within(dst, src, places, np.array(sizes, np.int32), cutoff, GO_ON)
    assert list(zip(dst[:count].tolist(), src[:count].tolist(), strict=True)) == wanted


@pytest.mark.slow
@given(
    size=st.integers(1, 40),
    spread=st.sampled_from([0.0, 0.5, 3.0, 50.0, 1e6]),
    flat=st.booleans(),
    cutoff=st.sampled_from([0.25, 1.0, 2.5, 1e3]),
    seed=st.integers(0, 1 << 32),
)
def test_cells_find_the_same(size: int, spread: float, flat: bool, cutoff: float, seed: int) -> None:
    places = molecules([3, size], spread, seed, size + 3)
    if flat:
        places[:, 1::3] = 5.0  # all cells of one axis but one are empty
    atoms = places[1].reshape(-1, 3)[:size]
    wanted = [(i + size + 3, j + size + 3) for i, j in naive.near_pairs([atoms], 0, cutoff)]
    assert count_near_cells(places, 1, size, cutoff, GO_ON) == len(wanted)
    dst, src = (np.full(len(wanted) + 8, -1, np.int32) for _ in range(2))
    end = fill_near_cells(dst, src, 7, places, 1, size, (cutoff, GO_ON))
    assert list(zip(dst[7:end].tolist(), src[7:end].tolist(), strict=True)) == wanted


def test_atoms_on_a_lattice_lie_on_the_borders_of_cells() -> None:
    axis = np.arange(-4, 5, dtype=np.float32)
    atoms = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(1, -1)
    sizes = np.array([atoms.shape[1] // 3], np.int32)
    for cutoff, per_bulk_atom in ((1.0, 0), (1.0001, 6), (1.5, 18), (3.0, 92)):
        room = room_within(atoms, sizes, cutoff, GO_ON)
        dst, src = (np.empty(room, np.int32) for _ in range(2))
        count = fill_pairs_within(dst, src, atoms, sizes, cutoff, GO_ON)
        assert np.count_nonzero(dst[:count] == sizes[0] // 2) == per_bulk_atom
        ordered = dst[:count].astype(np.int64) * sizes[0] + src[:count]
        assert (np.diff(ordered) > 0).all()


@pytest.mark.parametrize("size", [255, 256, 257, 900])
def test_large_molecules_by_cells_or_not(size: int) -> None:
    ase = pytest.importorskip("ase", reason="the oracle is absent")
    neighbours = pytest.importorskip("ase.neighborlist")
    rng = np.random.default_rng(size)
    atoms = (rng.random((size, 3)) * (size * 10) ** (1 / 3)).astype(np.float32)
    dst_ase, src_ase = neighbours.neighbor_list("ij", ase.Atoms(f"H{size}", atoms.astype(np.float64)), 4.0)
    order = np.lexsort((src_ase, dst_ase))
    flat, sizes = atoms.reshape(1, -1), np.array([size], np.int32)
    room = room_within(flat, sizes, 4.0, GO_ON)
    dst, src = (np.empty(room, np.int32) for _ in range(2))
    count = fill_pairs_within(dst, src, flat, sizes, 4.0, GO_ON)
    np.testing.assert_array_equal(dst[:count], dst_ase[order])
    np.testing.assert_array_equal(src[:count], src_ase[order])


@pytest.mark.slow
def test_whoever_is_told_to_stop_stops() -> None:
    places = np.random.default_rng(0).normal(size=(1, 3 * 1000)).astype(np.float32)
    sizes = np.array([1000], np.int32)
    room = 1000 * 999 + 1
    dst, src = (np.full(room, -1, np.int32) for _ in range(2))
    assert fill_pairs(dst, src, sizes, 1000, STOP) == STOPPED
    assert room_within(places, sizes, 1.0, STOP) == STOPPED
    assert fill_pairs_within(dst, src, places, sizes, 1.0, STOP) == STOPPED
    assert count_near_cells(places, 0, 1000, 1.0, STOP) == STOPPED
    assert fill_near_cells(dst, src, 0, places, 0, 1000, (1.0, STOP)) == STOPPED
    assert (dst == -1).all()


def test_a_kernel_that_runs_is_stopped_from_another_thread() -> None:
    # To count the pairs of 150,000 atoms that are all near takes half a minute.
    count = 150_000
    places = np.random.default_rng(0).uniform(0, 1, size=(1, 3 * count)).astype(np.float32)
    stop = np.zeros(1, np.uint8)
    found: list[int] = []

    def work() -> None:
        found.append(room_within(places, np.array([count], np.int32), 2.0, stop))

    thread = threading.Thread(target=work)
    thread.start()
    stop[0] = 1
    thread.join()
    assert found == [STOPPED]
