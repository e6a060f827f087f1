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
    """The mean place of the atoms of each molecule becomes 0.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules, centred
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.batch(8, layout="masked")
        >>> with (molecules >> fl.map(centred)).iterate() as batches:
        ...     print(np.allclose(next(batches)["R"].sum(axis=1), 0, atol=1e-3))
        True
    """
    centre(batch["R"], sizes_of(batch))
    return batch


def rotated(batch: Arrays, rng: np.random.Generator) -> Arrays:
    """Every molecule is turned about 0 with its forces, each by a rotation of its own, uniform over all.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules, rotated
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.batch(8, layout="masked")
        >>> turned = molecules >> fl.map(rotated, random=True)
        >>> with molecules.iterate() as packed, turned.iterate() as batches:
        ...     left, right = next(packed)["R"], next(batches)["R"]
        >>> np.allclose(np.linalg.norm(left, axis=-1), np.linalg.norm(right, axis=-1), atol=1e-4)
        True
    """
    turns = rng.normal(size=(len(batch["R"]), 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    turn(batch["R"], turns)
    turn(batch["F"], turns)
    return batch


@dataclass(frozen=True, kw_only=True)
class InUnits:
    """Gives batches in these units; packed ones are in kcal/mol and angstrom. GraphError for unknown ones.

    Args:
        energy: of energies: "kcal/mol", "kJ/mol", "eV", "meV", "hartree" or "rydberg".
        length: of positions: "angstrom", "bohr", "nm" or "pm". Forces are in energy/length.

    Examples:
        >>> from flowload.formats.molecules import InUnits, PackedMolecules
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.batch(8, layout="masked")
        >>> in_ev = molecules >> fl.map(InUnits(energy="eV"))
        >>> with molecules.iterate() as packed, in_ev.iterate() as batches:
        ...     print(np.allclose(next(packed)["E"], next(batches)["E"] * 23.0605, rtol=1e-4))
        True
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
