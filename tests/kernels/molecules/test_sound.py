from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.molecules.sound import CHARGE, ENERGY, FORCE, NUMBER, POSITION, SIZE, find_unsound
from tests.kernels.molecules import naive

FINITE = np.array([0.0, -0.0, 1e-45, -3.4e38, 3.4028235e38], np.float32)
WILD = np.array([np.nan, -np.nan, np.inf, -np.inf], np.float32)


@given(
    offsets=naive.ragged(),
    most=st.integers(0, 6),
    spoilt=st.lists(st.sampled_from([NUMBER, POSITION, FORCE, ENERGY, CHARGE]), max_size=3),
    charged=st.booleans(),
    seed=st.integers(0, 1 << 32),
)
def test_reasons_are_those_of_the_twin(
    offsets: NDArray[np.int64], most: int, spoilt: list[int], charged: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    atoms, molecules = int(offsets[-1]), len(offsets) - 1
    numbers = rng.choice(np.array([1, 6, 118], np.int32), atoms)
    places, forces = (rng.choice(FINITE, (atoms, 3)) for _ in range(2))
    energies, charges = (rng.normal(size=molecules) for _ in range(2))
    arrays = {POSITION: places.ravel(), FORCE: forces.ravel(), ENERGY: energies, CHARGE: charges}
    for what in spoilt:
        if what == NUMBER:
            numbers[rng.integers(atoms)] = rng.choice([0, -1, 119, 1 << 30])
        else:
            arrays[what][rng.integers(len(arrays[what]))] = rng.choice(WILD)
    if not charged:
        charges[:] = 0
    rows = rng.integers(0, molecules, 30)
    why = np.full(len(rows), 99, np.uint8)
    packs = numbers, places.ravel(), forces.ravel()
    labels = energies, charges[: molecules if charged else 0]
    bad = find_unsound(packs, labels, offsets, rows, most, why)
    parts = [slice(offsets[row], offsets[row + 1]) for row in rows]
    wanted = [
        naive.unsound(numbers[part], places[part], forces[part], energies[row], charges[row], most)
        for row, part in zip(rows, parts, strict=True)
    ]
    assert why.tolist() == wanted
    assert bad == np.count_nonzero(wanted)


@pytest.mark.parametrize(("most", "why"), [(0, 0), (2, SIZE), (3, 0)])
def test_as_many_atoms_as_slots_are_not_too_many(most: int, why: int) -> None:
    packs = np.ones(3, np.int32), np.zeros(9, np.float32), np.zeros(9, np.float32)
    labels = np.zeros(1), np.zeros(0)
    found = np.zeros(1, np.uint8)
    find_unsound(packs, labels, np.array([0, 3]), np.zeros(1, np.int64), most, found)
    assert found.tolist() == [why]
