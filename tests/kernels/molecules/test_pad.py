from __future__ import annotations

import itertools
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN
from flowload.kernels.molecules.columns import pad_rows, pad_rows_at, take_rows_at
from flowload.kernels.molecules.pad import mark, pad_at, pad_batches, pad_molecules, take_sizes
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
@given(offsets=naive.ragged(), counts=st.lists(st.integers(1, 20), max_size=6), seed=st.integers(0, 99))
@pytest.mark.parametrize("streamed", [False, True])
def test_batches_are_padded_each_to_its_width(
    offsets: NDArray[np.int64], counts: list[int], seed: int, streamed: bool
) -> None:
    rng, atoms, count = np.random.default_rng(seed), int(offsets[-1]), sum(counts)
    rows = rng.integers(0, len(offsets) - 1, count)
    borders = np.array([0, *np.cumsum(counts)], np.int64)
    parts = [rows[first:last] for first, last in pairwise(borders.tolist())]
    widths = np.array([np.diff(offsets)[part].max() + rng.integers(0, 2) for part in parts], np.int64)
    slots = int((np.array(counts, np.int64) * widths).sum())
    places, forces = rng.normal(size=(2, 3 * atoms)).astype(np.float32)
    packs = rng.integers(1, 100, atoms, np.int32), places, forces
    labels = rng.normal(size=len(offsets) - 1), np.empty(0)
    r, f = (np.full(3 * slots, np.nan, np.float32) for _ in range(2))
    arrays = np.full(slots, -1, np.int32), r, f
    energies, charges, sizes = np.full(count, np.nan), np.full(count, np.nan), np.full(count, -1, np.int32)
    packed = packs, labels, offsets
    found = pad_batches(packed, rows, borders, widths, arrays, (energies, charges), sizes, streamed)
    assert found == sizes.sum()
    assert sizes.tolist() == np.diff(offsets)[rows].tolist()
    assert energies.tolist() == labels[0][rows].tolist()
    begin = 0
    for batch, width in zip([part.tolist() for part in parts], widths.tolist(), strict=True):
        size = len(batch)
        end = begin + size * width
        for array, pack, each in zip(arrays, packs, (1, 3, 3), strict=True):
            made = array[begin * each : end * each].reshape(size, width, each)
            np.testing.assert_array_equal(
                made, naive.pad(pack.reshape(-1, each), offsets.tolist(), batch, width)
            )
        begin = end
    if count:
        packs[1][:] = np.inf
        bad = pad_batches(packed, rows, borders, widths, arrays, (energies, charges), sizes, streamed)
        assert bad == -1


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


@pytest.mark.slow
@given(
    folders=st.lists(naive.ragged(rows=6), min_size=1, max_size=3),
    lacks=st.lists(st.booleans(), min_size=3, max_size=3),
    seed=st.integers(0, 99),
    wanted=st.booleans(),
)
def test_molecules_of_several_folders_are_written_among_each_other(
    folders: list[NDArray[np.int64]], lacks: list[bool], seed: int, wanted: bool
) -> None:
    """The twin pads each by itself."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(folders), 9)
    rows = np.array([rng.integers(0, len(folders[k]) - 1) for k in which])
    lengths = np.array([np.diff(folders[k])[row] for k, row in zip(which, rows, strict=True)])
    widths = lengths + rng.integers(0, 3, 9)
    begins = np.cumsum(widths) - widths
    slots = int(widths.sum())
    z, r = np.full(slots, -1, np.int32), np.full(3 * slots, np.nan, np.float32)
    f = np.full(3 * slots * wanted, np.nan, np.float32)
    e, q = np.full(9 * wanted, np.nan), np.full(9, np.nan)
    sizes, column = np.full(9, -1, np.int32), np.full(5 * slots, 255, np.uint8)
    flags = np.full(3 * 9, 255, np.uint8)
    twin: dict[str, list[Any]] = {name: [None] * 9 for name in "zrfeqct"}
    for k, offsets in enumerate(folders):
        atoms, count = int(offsets[-1]), len(offsets) - 1
        packs = (
            rng.integers(1, 99, atoms, np.int32),
            rng.normal(size=3 * atoms).astype(np.float32),
            rng.normal(size=0 if lacks[k] else 3 * atoms).astype(np.float32),
        )
        labels = rng.normal(size=0 if lacks[k] else count), rng.normal(size=count)
        bytes_of, truths = rng.integers(0, 200, 5 * atoms, np.uint8), rng.integers(0, 2, 3 * count, np.uint8)
        numbers = np.flatnonzero(which == k)
        own, where = rows[numbers], (begins[numbers], widths[numbers], numbers)
        made = pad_at((packs, labels, offsets), own, where, (z, r, f), (e, q), sizes, True)
        assert made == lengths[numbers].sum()
        pad_rows_at(bytes_of, 5, offsets, own, where, column)
        take_rows_at(truths, 3, own, numbers, flags)
        ends = offsets.tolist()
        for number, row in zip(numbers.tolist(), own.tolist(), strict=True):
            width = int(widths[number])
            twin["z"][number] = naive.pad(packs[0].reshape(-1, 1), ends, [row], width)
            twin["r"][number] = naive.pad(packs[1].reshape(-1, 3), ends, [row], width)
            forces = np.zeros((atoms, 3), np.float32) if lacks[k] else packs[2].reshape(-1, 3)
            twin["f"][number] = naive.pad(forces, ends, [row], width)
            twin["e"][number], twin["q"][number] = 0.0 if lacks[k] else labels[0][row], labels[1][row]
            twin["c"][number] = naive.pad(bytes_of.reshape(-1, 5), ends, [row], width)
            twin["t"][number] = truths[3 * row : 3 * row + 3]
        if len(numbers):
            packs[1][:] = np.nan
            assert pad_at((packs, labels, offsets), own, where, (z, r.copy(), f), (e, q), sizes, True) == -1
    for name, array in (("z", z), ("r", r), ("c", column), ("t", flags), ("q", q)):
        np.testing.assert_array_equal(array, np.concatenate([np.ravel(part) for part in twin[name]]))
    assert f.tolist() == ([float(x) for part in twin["f"] for x in np.ravel(part)] if wanted else [])
    assert e.tolist() == (twin["e"] if wanted else [])
    np.testing.assert_array_equal(sizes, lengths)


@given(offsets=naive.ragged(), counts=st.lists(st.integers(1, 5), max_size=5), seed=st.integers(0, 99))
def test_columns_of_atoms_are_padded_batch_by_batch(
    offsets: NDArray[np.int64], counts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(offsets) - 1, sum(counts))
    borders = np.array([0, *np.cumsum(counts)], np.int64)
    pack = rng.integers(0, 250, 3 * int(offsets[-1]), np.uint8)
    parts = [rows[a:b] for a, b in pairwise(borders.tolist())]
    widths = np.array([np.diff(offsets)[part].max() + 1 for part in parts], np.int64)
    out = np.full(3 * int((widths * counts).sum()), 255, np.uint8)
    pad_rows(pack, 3, offsets, rows, borders, widths, out)
    twin = [
        naive.pad(pack.reshape(-1, 3), offsets.tolist(), part.tolist(), int(width)).ravel()
        for part, width in zip(parts, widths, strict=True)
    ]
    assert out.tolist() == [value for part in twin for value in part.tolist()]
