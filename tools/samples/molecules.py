"""Simulated molecules: a simple force field, of which energies and forces are the exact ones.

Chains of carbon, nitrogen and oxygen that carry hydrogen; bonds are springs, atoms that are not bonded repel
and attract each other (12-6), charges depend on the element alone. No chemistry is meant: they are for
examples and benchmarks, where a loader's numbers need to be like real ones.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.write import Some, packing

__all__ = ["energy_and_forces", "simulate", "write_simulated"]

UNITS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")

SPRING = 300.0  #: kcal/mol/Å^2
BOND = {1: 0.32, 6: 0.76, 7: 0.71, 8: 0.66}  #: Å: covalent radii
RADIUS = {1: 1.2, 6: 1.7, 7: 1.55, 8: 1.5}  #: Å: where two touch
DEPTH = 0.1  #: kcal/mol: of the well between two atoms that touch
PARTIAL = {1: 0.1, 6: -0.1, 7: -0.3, 8: -0.4}  #: e
COULOMB = 332.0637  #: kcal/mol Å/e^2
VALENCE = {6: 4, 7: 3, 8: 2}
ALONE = {
    1: -313.0,
    6: -23_800.0,
    7: -34_300.0,
    8: -47_100.0,
}  #: kcal/mol: so that totals are large, as real ones

Bonds = list[tuple[int, int]]
Floats = NDArray[np.float64]


def energy_and_forces(numbers: NDArray[np.int64], places: Floats, bonds: Bonds) -> tuple[float, Floats]:
    """Energy in kcal/mol and forces (atoms, 3) in kcal/mol/Å, which are the energy's exact negative slope."""
    i, j = np.triu_indices(len(numbers), 1)
    apart = places[i] - places[j]
    distance = np.sqrt((apart**2).sum(axis=1))
    bonded = np.zeros((len(numbers),) * 2, bool)
    for bond in bonds:
        bonded[bond] = bonded[bond[::-1]] = True
    near = bonded[i, j]
    stretch = distance - both(BOND, numbers, i, j)
    six = (both(RADIUS, numbers, i, j) / distance) ** 6
    charges = COULOMB * each(PARTIAL, numbers)[i] * each(PARTIAL, numbers)[j] / distance
    free = DEPTH * (six**2 - 2 * six) + charges
    energy = each(ALONE, numbers).sum() + np.where(near, SPRING / 2 * stretch**2, free).sum()
    slope = np.where(near, SPRING * stretch, (DEPTH * 12 * (six - six**2) - charges) / distance)
    pull = (slope / distance)[:, None] * apart
    forces = np.zeros_like(places)
    np.subtract.at(forces, i, pull)
    np.add.at(forces, j, pull)
    return float(energy), forces


def each(values: Mapping[int, float], numbers: NDArray[np.int64]) -> Floats:
    """What a table says of each atom."""
    return np.array([values[number] for number in numbers.tolist()])


def both(
    values: Mapping[int, float], numbers: NDArray[np.int64], i: NDArray[np.intp], j: NDArray[np.intp]
) -> Floats:
    """The sum of what a table says of the two atoms of each pair."""
    own = each(values, numbers)
    return own[i] + own[j]


def simulate(rng: np.random.Generator, heavy: int) -> tuple[NDArray[np.int64], Floats, Bonds]:
    """A molecule of so many heavy atoms, at random: elements, places that are nearly at rest, and bonds."""
    chain = rng.choice([6, 7, 8], heavy, p=[0.7, 0.15, 0.15])
    numbers, bonds = chain.tolist(), [(k, k + 1) for k in range(heavy - 1)]
    for k, element in enumerate(chain.tolist()):
        free = VALENCE[element] - (k > 0) - (k < heavy - 1)
        bonds += [(k, len(numbers) + h) for h in range(free)]
        numbers += [1] * free
    return np.array(numbers), relaxed(np.array(numbers), bonds, rng), bonds


def relaxed(numbers: NDArray[np.int64], bonds: Bonds, rng: np.random.Generator, steps: int = 500) -> Floats:
    """Places from a random walk along the bonds, moved downhill in bounded steps, then shaken."""
    places = np.zeros((len(numbers), 3))
    for one, other in sorted(bonds):
        step = rng.normal(size=3)
        length = BOND[int(numbers[one])] + BOND[int(numbers[other])]
        places[other] = places[one] + step / np.linalg.norm(step) * length
    for _ in range(steps):
        _, forces = energy_and_forces(numbers, places, bonds)
        places += np.clip(0.0008 * forces, -0.05, 0.05)
    return places + rng.normal(size=places.shape, scale=0.03)


def write_simulated(
    out: str | os.PathLike[str], *, molecules: int = 100, conformations: int = 4, seed: int = 0
) -> None:
    """Write a folder of simulated molecules, each in several conformations; a single atom is among them.

    Raises DataError where the folder is there already.
    """
    rng = np.random.default_rng(seed)
    with packing(Path(out), UNITS) as writer:
        for number in range(molecules):
            numbers, places, bonds = simulate(rng, 1 + number % 8)
            for _ in range(conformations):
                shaken = places + rng.normal(size=places.shape, scale=0.05)
                writer.add(one(numbers, shaken, bonds, number), str(out))
        alone = np.array([1]), np.zeros((1, 3)), Bonds()
        writer.add(one(*alone, molecules), str(out))


def one(numbers: NDArray[np.int64], places: Floats, bonds: Bonds, group: int) -> Some:
    """One conformation."""
    energy, forces = energy_and_forces(numbers, places, bonds)
    return Some(
        np.array([len(numbers)]), numbers, places, forces, np.array([energy]), groups=np.array([group])
    )
