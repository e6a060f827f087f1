from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.pad import mark, pad_molecules, take_labels, take_sizes
from tests.kernels import naive_molecules as naive


@given(offsets=naive.ragged(), spare=st.integers(0, 3), data=st.data())
def test_molecules_are_padded_as_numpy_pads(
    offsets: NDArray[np.int64], spare: int, data: st.DataObject
) -> None:
    molecules, atoms = len(offsets) - 1, int(offsets[-1])
    rows = np.array(data.draw(st.lists(st.integers(0, molecules - 1), max_size=40)), np.int64)
    slots = int(np.diff(offsets).max()) + spare
    rng = np.random.default_rng(atoms)
    numbers = rng.integers(1, 100, atoms, np.int32)
    places, forces = (rng.normal(size=(atoms, 3)).astype(np.float32) for _ in range(2))
    z = np.full((len(rows), slots), -1, np.int32)
    r, f = (np.full((len(rows), slots, 3), np.nan, np.float32) for _ in range(2))
    packs = numbers, places.ravel(), forces.ravel()
    pad_molecules(packs, offsets, rows, z, r.reshape(len(rows), slots * 3), f.reshape(len(rows), slots * 3))
    for found, pack in ((z, numbers), (r, places), (f, forces)):
        np.testing.assert_array_equal(found, naive.pad(pack, offsets.tolist(), rows.tolist(), slots))
    sizes, mask = np.full(len(rows), -1, np.int32), np.full((len(rows), slots), 7).astype(bool)
    take_sizes(offsets, rows, sizes)
    mark(offsets, rows, mask)
    np.testing.assert_array_equal(sizes, np.diff(offsets)[rows])
    np.testing.assert_array_equal(mask, z != 0)


def test_labels_are_taken() -> None:
    rows = np.array([2, 0, 2], np.int64)
    energies, charges = np.array([1.5, 2.5, -4e5 - 1e-9]), np.array([0.0, 1.0, -1.0])
    e, q = np.full(3, np.nan), np.full(3, np.nan)
    take_labels(energies, charges, rows, e, q)
    assert e.tolist() == energies[rows].tolist()
    assert q.tolist() == [-1.0, 0.0, -1.0]
    take_labels(energies, np.empty(0), rows, e, q)
    assert q.tolist() == [0.0, 0.0, 0.0]
