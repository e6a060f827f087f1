"""Functions for `fl.map` behind `fl.batch` of molecules; they write to the batch's own arrays in place.

fl.map(centred)                                    the mean place of a molecule's atoms becomes 0
fl.map(rotated, random=True)                       every molecule is turned, by a rotation of its own
fl.map(Rotated(molecules.columns), random=True)    columns of vectors and tensors, too
fl.map(InUnits(energy="eV", length="angstrom"))    energies and forces, and places, in these units
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError
from flowload.formats.molecules.convert.units import energy_factor, length_factor
from flowload.kernels.molecules.turns import centre, turn

from .columns.column import CELL, PBC, Column
from .columns.measures import parse_unit, unit_factor
from .columns.turned import matrices, turned

__all__ = ["InUnits", "Rotated", "centred", "rotated"]

Arrays: TypeAlias = dict[str, Any]  #: of either layout

#: Arrays that every folder has, or that follow from them; all others are columns.
STANDARD = frozenset({"Z", "R", "F", "E", "N", "Qtot", "mask"})
INDICES = frozenset({"dst_idx", "src_idx", "shifts", "edge_mask", "batch_segments"})
CELLS = {"cell": CELL, "pbc": PBC}


def centred(batch: Arrays) -> Arrays:
    """The mean place of the atoms of each molecule becomes 0; columns and cells stay as they are.

    So a dipole of a molecule with a charge, or a quadrupole, is still that about the old origin.

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
    """Every molecule is turned about 0, with forces and cell, by a rotation of its own, uniform over all.

    For batches with columns take `Rotated`: GraphError for one that may have to be turned.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules, rotated
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"))) >> fl.batch(8, layout="masked")
        >>> turned = molecules >> fl.map(rotated, random=True)
        >>> with molecules.iterate() as packed, turned.iterate() as batches:
        ...     left, right = next(packed)["R"], next(batches)["R"]
        >>> np.allclose(np.linalg.norm(left, axis=-1), np.linalg.norm(right, axis=-1), atol=1e-4)
        True
    """
    return Rotated()(batch, rng)


@dataclass(frozen=True)
class Rotated:
    """Turns every molecule about 0, with all that turns with it, each by a rotation of its own.

    Positions, forces, cells, and columns that are vectors and tensors are turned; scalars, and what is not of
    floats, stay. A column of which nobody knows how it turns (`kind` None, or not among `columns`) raises a
    GraphError that names it.

    Args:
        columns: of the folder: `PackedMolecules(...).columns`.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules, Rotated
        >>> records = PackedMolecules(sample_path("molecules"))
        >>> turned = fl.rows(records) >> fl.batch(8) >> fl.map(Rotated(records.columns), random=True)
        >>> with turned.iterate() as batches:
        ...     shape = next(batches)["R"].shape
        >>> shape[0], shape[2]
        (8, 3)
    """

    columns: Mapping[str, Column] = field(default_factory=dict, hash=False)

    def __call__(self, batch: Arrays, rng: np.random.Generator) -> Arrays:
        """The batch, turned."""
        turns = rng.normal(size=(len(batch["R"]), 4))
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        columns = {name: self.column(name, array) for name, array in others(batch) if is_floats(array)}
        for name in ("R", "F"):
            if name in batch:
                turn(batch[name], turns)
        rotations = matrices(turns)
        for name, column in columns.items():
            if column.ends:
                batch[name][:] = turned(batch[name], rotations, column)
        return batch

    def column(self, name: str, array: Any) -> Column:
        """How an array turns. Raises GraphError."""
        column = {**CELLS, **self.columns}.get(name)
        if column is None and np.ndim(array) == 1:
            return Column(per="molecule")
        if column is None or column.kind is None:
            raise GraphError(
                f"rotated: nobody knows how {name!r} turns; its kind is declared in the folder's manifest, "
                "and given as Rotated(columns=PackedMolecules(...).columns)"
            )
        return column


@dataclass(frozen=True, kw_only=True)
class InUnits:
    """Gives batches in these units; packed ones are in kcal/mol and angstrom. GraphError for unknown ones.

    Args:
        energy: of energies: "kcal/mol", "kJ/mol", "eV", "meV", "hartree" or "rydberg".
        length: of positions: "angstrom", "bohr", "nm" or "pm". Forces are in energy/length.
        columns: of the folder: `PackedMolecules(...).columns`. Energies and lengths in their units are
            replaced: with "eV", kcal/mol/angstrom^3 becomes eV/angstrom^3; others, such as e, debye and GPa,
            stay.
        units: of columns that are to be in other units, such as `{"stress": "GPa", "dipole": "debye"}`.

    A column of floats that is not among `columns`, or has no unit there, raises a GraphError that names it;
    what has no dimension has the unit "1".

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
    columns: Mapping[str, Column] = field(default_factory=dict, hash=False)
    units: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self.factors()
        for name in self.units:
            if name not in self.columns:
                known = ", ".join(self.columns) or "none"
                raise GraphError(f"InUnits: units of {name!r}, which is no column; columns: {known}")
        for name, column in self.columns.items():
            if column.unit is not None and column.dtype.startswith("float"):
                self.factor(name, column.unit)

    def factors(self) -> tuple[float, float]:
        """What energies and positions are multiplied by."""
        return 1 / energy_factor(self.energy), 1 / length_factor(self.length)

    def factor(self, name: str, unit: str) -> float:
        """What a column in a unit is multiplied by. Raises GraphError."""
        try:
            if name in self.units:
                return unit_factor(unit, self.units[name])
            before = parse_unit(unit)
        except GraphError as error:
            raise GraphError(f"InUnits: column {name!r}: {error}") from None
        return before.size / before.replaced(self.energy, self.length).size

    def __call__(self, batch: Arrays) -> Arrays:
        """The batch in these units."""
        energy, length = self.factors()
        factors = {name: self.of_column(name) for name, array in others(batch) if is_floats(array)}
        for name, factor in (("E", energy), ("R", length), ("F", energy / length)):
            if name in batch:
                batch[name] *= batch[name].dtype.type(factor)
        for name, factor in factors.items():
            batch[name] *= batch[name].dtype.type(factor)
        return batch

    def of_column(self, name: str) -> float:
        """What a column is multiplied by. Raises GraphError."""
        column = {**CELLS, **self.columns}.get(name)
        if column is None or column.unit is None:
            raise GraphError(
                f"InUnits: nobody knows the unit of {name!r}; it is declared in the folder's manifest, and "
                "given as InUnits(columns=PackedMolecules(...).columns)"
            )
        return self.factor(name, column.unit)


def others(batch: Arrays) -> list[tuple[str, Any]]:
    """The arrays of a batch that are columns, or a user's."""
    return [each for each in batch.items() if each[0] not in STANDARD and each[0] not in INDICES]


def is_floats(array: Any) -> bool:
    """Whether these are floats."""
    return bool(np.issubdtype(getattr(array, "dtype", np.dtype(object)), np.floating))


def sizes_of(batch: Arrays) -> NDArray[np.int32]:
    """Atoms of each molecule, as either layout tells them."""
    if "N" in batch:
        sizes: NDArray[np.int32] = batch["N"]
        return sizes
    return np.asarray(batch["mask"].sum(axis=1), np.int32)
