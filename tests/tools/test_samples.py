from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowload.formats.molecules.files import open_pack
from tools.samples.molecules import VALENCE, energy_and_forces, simulate, write_simulated


@pytest.mark.parametrize("heavy", [1, 2, 4])
def test_forces_are_the_slope_of_the_energy(heavy: int) -> None:
    numbers, places, bonds = simulate(np.random.default_rng(heavy), heavy)
    _, forces = energy_and_forces(numbers, places, bonds)
    step = 1e-5
    for atom in range(len(numbers)):
        for axis in range(3):
            moved = [places.copy(), places.copy()]
            moved[0][atom, axis] -= step
            moved[1][atom, axis] += step
            low, high = (energy_and_forces(numbers, each, bonds)[0] for each in moved)
            assert forces[atom, axis] == pytest.approx((low - high) / (2 * step), rel=1e-3, abs=1e-2)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-9)


def test_every_atom_has_its_bonds() -> None:
    numbers, _, bonds = simulate(np.random.default_rng(0), 6)
    counts = np.bincount(np.ravel(bonds))
    assert all(count == VALENCE.get(int(number), 1) for count, number in zip(counts, numbers, strict=True))


def test_a_seed_names_a_set(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        write_simulated(tmp_path / name, molecules=3, conformations=2, seed=seed)
    one, two, three = (open_pack(tmp_path / name) for name in ("one", "two", "three"))
    assert len(one) == 7
    assert one.groups is not None
    assert one.groups.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert one.places.tolist() == two.places.tolist() != three.places.tolist()
    assert int(np.diff(one.offsets).min()) == 1
