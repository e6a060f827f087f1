from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN
from flowload.kernels.molecules.pad import mark, pad_batches, pad_molecules, take_sizes
from tests.kernels.molecules import naive
from tests.kernels.rows import naive_order


@pytest.mark.slow
@given(offsets=naive.ragged(), spare=st.integers(0, 3), data=st.data())
def test_molecules_are_padded_as_numpy_pads(
    offsets: NDArray[np.int64], spare: int, data: st.DataObject
) -> None:
    molecules, atoms = len(offsets) - 1, int(offsets[-1])
    numbers_of = data.draw(st.sampled_from(["list", "order"]))
    if numbers_of == "list":
        rows = np.array(data.draw(st.lists(st.integers(0, molecules - 1), max_size=40)), np.int64)
        ways = [(rows.copy(), WRITTEN)] * 2
    else:
        rows, ways = naive_order.ways(molecules, data.draw(st.integers(0, 99)), 40)
    slots = int(np.diff(offsets).max()) + spare
    rng = np.random.default_rng(atoms)
    numbers = rng.integers(1, 100, atoms, np.int32)
    places, forces = (rng.normal(size=(atoms, 3)).astype(np.float32) for _ in range(2))
    z = np.full((len(rows), slots), -1, np.int32)
    r, f = (np.full((len(rows), slots, 3), np.nan, np.float32) for _ in range(2))
    packs = numbers, places.ravel(), forces.ravel()
    energies, charges = rng.normal(size=molecules), rng.integers(-1, 2, molecules).astype(float)
    for check, streamed, (room, order) in itertools.product((False, True), (False, True), ways):
        arrays = z, r.reshape(len(rows), slots * 3), f.reshape(len(rows), slots * 3)
        e, q = (np.full(len(rows), np.nan) for _ in range(2))
        sizes, mask = np.full(len(rows), -1, np.int32), np.full((len(rows), slots), 7).astype(bool)
        labels = energies, charges[: molecules if check else 0]
        packed = packs, labels, offsets
        atoms = pad_molecules(packed, room.copy(), order, arrays, (e, q), sizes, check, streamed)
        assert atoms == np.diff(offsets)[rows].sum()
        for found, pack in ((z, numbers), (r, places), (f, forces)):
            np.testing.assert_array_equal(found, naive.pad(pack, offsets.tolist(), rows.tolist(), slots))
        assert e.tolist() == energies[rows].tolist()
        assert q.tolist() == (charges[rows].tolist() if check else [0.0] * len(rows))
        np.testing.assert_array_equal(sizes, np.diff(offsets)[rows])
        mark(sizes, mask)
        np.testing.assert_array_equal(mask, z != 0)
    sizes[:] = -1
    take_sizes(offsets, rows, sizes)
    np.testing.assert_array_equal(sizes, np.diff(offsets)[rows])


@pytest.mark.slow
@given(offsets=naive.ragged(), batches=st.integers(0, 6), size=st.integers(1, 20), seed=st.integers(0, 99))
@pytest.mark.parametrize("streamed", [False, True])
def test_batches_are_padded_each_to_its_width(
    offsets: NDArray[np.int64], batches: int, size: int, seed: int, streamed: bool
) -> None:
    rng, atoms, count = np.random.default_rng(seed), int(offsets[-1]), batches * size
    rows = rng.integers(0, len(offsets) - 1, count)
    widths = np.diff(offsets)[rows].reshape(batches, size).max(axis=1) + rng.integers(0, 2, batches)
    slots = size * int(widths.sum())
    places, forces = rng.normal(size=(2, 3 * atoms)).astype(np.float32)
    packs = rng.integers(1, 100, atoms, np.int32), places, forces
    labels = rng.normal(size=len(offsets) - 1), np.empty(0)
    r, f = (np.full(3 * slots, np.nan, np.float32) for _ in range(2))
    arrays = np.full(slots, -1, np.int32), r, f
    energies, charges, sizes = np.full(count, np.nan), np.full(count, np.nan), np.full(count, -1, np.int32)
    packed = packs, labels, offsets
    found = pad_batches(packed, rows, widths, arrays, (energies, charges), sizes, streamed)
    assert found == sizes.sum()
    assert sizes.tolist() == np.diff(offsets)[rows].tolist()
    assert energies.tolist() == labels[0][rows].tolist()
    begin = 0
    for batch, width in zip(rows.reshape(batches, size).tolist(), widths.tolist(), strict=True):
        end = begin + size * width
        for array, pack, each in zip(arrays, packs, (1, 3, 3), strict=True):
            made = array[begin * each : end * each].reshape(size, width, each)
            np.testing.assert_array_equal(
                made, naive.pad(pack.reshape(-1, each), offsets.tolist(), batch, width)
            )
        begin = end
    if count:
        packs[1][:] = np.inf
        assert pad_batches(packed, rows, widths, arrays, (energies, charges), sizes, streamed) == -1


@pytest.mark.slow
@pytest.mark.parametrize("what", ["size", "number", "position", "force", "energy", "charge"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_bad_molecule_is_told_and_not_written(what: str, streamed: bool) -> None:
    offsets = np.array([0, 2, 5, 7])
    numbers, places, forces = np.full(7, 6, np.int32), np.ones(21, np.float32), np.ones(21, np.float32)
    energies, charges = np.ones(3), np.ones(3)
    slots = 2 if what == "size" else 3
    spoilt: dict[str, tuple[NDArray[Any], int, float]]
    spoilt = {"number": (numbers, 4, 0), "position": (places, 8, np.nan), "force": (forces, 14, np.inf)}
    spoilt |= {"energy": (energies, 1, np.nan), "charge": (charges, 1, -np.inf)}
    if what in spoilt:
        array, place, value = spoilt[what]
        array[place] = value
    z = np.full((3, slots), 7, np.int32)
    r, f = (np.full((3, 3 * slots), 7, np.float32) for _ in range(2))
    packs, labels, rows = (numbers, places, forces), (energies, charges), np.arange(3)
    targets, sizes = (np.full(3, 7.0), np.full(3, 7.0)), np.full(3, 7, np.int32)
    packed = packs, labels, offsets
    assert pad_molecules(packed, rows, WRITTEN, (z, r, f), targets, sizes, True, streamed) == -1
    written: list[NDArray[Any]] = [z, r, f, *targets, sizes]
    for made in written:
        assert (made[1:] == 7).all()
