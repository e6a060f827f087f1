"""Functions for `fl.map` behind `fl.batch` of molecules; they write to the batch's own arrays in place.

fl.map(centred)                                    the mean place of a molecule's atoms becomes 0
fl.map(rotated, random=True)                       every molecule is turned, by a rotation of its own
fl.map(InUnits(energy="eV", length="angstrom"))    energies and forces, and places, in these units
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.formats.molecules.convert.units import energy_factor, length_factor
from flowload.kernels.molecules.turns import centre, turn

__all__ = ["InUnits", "centred", "rotated"]

Arrays: TypeAlias = dict[str, Any]  #: of either layout


def centred(batch: Arrays) -> Arrays:
    """The mean place of the atoms of each molecule becomes 0."""
    centre(batch["R"], sizes_of(batch))
    return batch


def rotated(batch: Arrays, rng: np.random.Generator) -> Arrays:
    """Every molecule is turned about 0 with its forces, each by a rotation of its own, uniform over all."""
    turns = rng.normal(size=(len(batch["R"]), 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    turn(batch["R"], turns)
    turn(batch["F"], turns)
    return batch


@dataclass(frozen=True, kw_only=True)
class InUnits:
    """Gives batches in these units. Raises GraphError for unknown ones.

    Args:
        energy: of energies: "kcal/mol", "kJ/mol", "eV", "meV", "hartree" or "rydberg".
        length: of positions: "angstrom", "bohr", "nm" or "pm". Forces are in energy/length.
    """

    energy: str
    length: str = "angstrom"

    def __post_init__(self) -> None:
        self.factors()

    def factors(self) -> tuple[float, float]:
        """What energies and positions are multiplied by."""
        return 1 / energy_factor(self.energy), 1 / length_factor(self.length)

    def __call__(self, batch: Arrays) -> Arrays:
        """The batch in these units."""
        energy, length = self.factors()
        batch["E"] *= energy
        batch["R"] *= np.float32(length)
        batch["F"] *= np.float32(energy / length)
        return batch


def sizes_of(batch: Arrays) -> NDArray[np.int32]:
    """Atoms of each molecule, as either layout tells them."""
    if "N" in batch:
        sizes: NDArray[np.int32] = batch["N"]
        return sizes
    return np.asarray(batch["mask"].sum(axis=1), np.int32)
