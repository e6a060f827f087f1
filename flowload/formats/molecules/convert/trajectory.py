"""Conformations of one molecule in an `.npz`, as those of rMD17, MD17 and MD22 are.

`nuclear_charges (atoms,)`, `coords (n, atoms, 3)`, `energies (n,)` and `forces (n, atoms, 3)` in rMD17; `z`,
`R`, `E` and `F` in MD17, MD22 and whatever else is made for sGDML, with units of length and energy beside
them. Sources: Christensen and von Lilienfeld, rMD17; Chmiela et al., sGDML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.formats.molecules.write import Some

from .archive import Member
from .arrays import pick_arrays, tell_meaning, total_charges
from .boxes import find_boxes
from .elements import atomic_numbers
from .keys import Names
from .report import Told, shown

__all__ = ["Trajectory", "find_trajectory", "tell_units"]

Array = NDArray[Any]

UNITS = {"e_unit": "energy", "r_unit": "length"}  #: arrays of one word


class Kind(NamedTuple):
    """What a set of conformations of one molecule calls its arrays."""

    elements: str
    places: str
    defaults: tuple[str, str]  #: energies and forces


KINDS = (
    Kind("nuclear_charges", "coords", ("energies", "forces")),
    Kind("z", "R", ("E", "F")),
)


def find_trajectory(arrays: Mapping[str, Member], path: Path) -> Kind | None:
    """Which kind of these an archive is; None: none of them. Raises DataError for one that is two."""
    found = [kind for kind in KINDS if kind.elements in arrays and kind.places in arrays]
    if found and ("N" in arrays or len(found) > 1):
        names = ", ".join(map(shown, arrays))
        wanted = "padded molecules (Z, R, N), or one molecule's conformations (z, R; nuclear_charges, coords)"
        raise DataError("several layouts", where=str(path), found=names, wanted=wanted)
    return found[0] if found else None


def tell_units(arrays: Mapping[str, Member], told: Told) -> None:
    """What an archive itself says of its units."""
    for key, what in UNITS.items():
        if key in arrays and (word := arrays[key].words()):
            told.say_unit(what, word, arrays[key].where)


class Trajectory:
    """One molecule's conformations, after names and shapes were checked. Raises DataError.

    Args:
        path: the archive.
        arrays: what it holds.
        kind: what it calls them.
        names: that the user gave.
    """

    def __init__(self, path: Path, arrays: dict[str, Member], kind: Kind, names: Names) -> None:
        self.path, self.arrays, self.kind = path, arrays, kind
        shape = arrays[kind.places].shape
        if len(shape) != 3 or shape[2] != 3 or not shape[1]:
            where, wanted = arrays[kind.places].where, "[n, atoms, 3], of at least one atom"
            raise DataError("array of another kind", where=where, found=f"{list(shape)}", wanted=wanted)
        self.count, self.atoms = shape[:2]
        shapes = {key: each.shape if each.dtype.kind in "iuf" else (-1,) for key, each in arrays.items()}
        fixed = (kind.elements, kind.places)
        picked = pick_arrays(shapes, shape[:2], names, fixed, kind.defaults, str(path))
        arrays[kind.elements].check([(self.atoms,), (self.atoms, 1)])
        arrays[kind.places].check([shape])
        for key in picked.keys:
            arrays[key].check(picked.shapes(key, self.count, self.atoms))
        if names.charge is None and self.count == self.atoms > 1:
            for key in (*picked.charges, *picked.suspects):
                if arrays[key].shape == (self.count,):
                    raise tell_meaning(key, self.count, str(path))
        known = {key: member.shape for key, member in arrays.items()}
        boxes, cell = find_boxes(
            known, lambda key, most: arrays[key].small(most), self.count, str(path), ignore=names.ignore_cell
        )
        self.picked = picked._replace(cell=cell, boxes=boxes)
        member = arrays[kind.elements]
        self.numbers = atomic_numbers(member.rows(self.atoms).reshape(-1), member.where)
        member.end()

    def moving(self) -> dict[str, Member]:
        """The arrays that have a row a conformation."""
        return {key: self.arrays[key] for key in (self.kind.places, *self.picked.keys)}

    def some(self, read: dict[str, Array], start: int) -> Some:
        """Some conformations, of their rows. Raises DataError."""
        places = read[self.kind.places]
        where = f"{self.path}, conformations from {start} on"
        return Some(
            np.full(len(places), self.atoms),
            np.tile(self.numbers, len(places)),
            places.reshape(-1, 3),
            self.picked.forces_of(read),
            read[self.picked.energy].reshape(-1),
            total_charges(read, self.picked, len(places), where),
            groups=np.zeros(len(places), np.int64),
            columns=self.picked.columns_of(read),
            **self.picked.box(start, len(places)),
        )
