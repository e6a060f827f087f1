"""Which arrays a batch of molecules consists of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from flowload.abc.records import Fields

from .columns.column import Column
from .pairs.rule import Pairs

__all__ = ["LAYOUTS", "STRUCTURE", "Array", "Arrays", "Chosen", "arrays_of", "fields_of", "sized"]

INT, FLOAT, DOUBLE, BOOL = (np.dtype(kind) for kind in (np.int32, np.float32, np.float64, np.bool_))

#: What every batch has, whatever was selected.
STRUCTURE = ("cell", "pbc")


class Arrays(NamedTuple):
    """The arrays that a layout has beside `Z, R, F, E, Qtot`."""

    pairs: Pairs  #: of the published loaders
    sizes: bool  #: `N`, and `batch_segments`
    mask: bool


LAYOUTS = {
    "physnet": Arrays(pairs="molecule", sizes=True, mask=False),
    "masked": Arrays(pairs="none", sizes=False, mask=True),
}


class Chosen(NamedTuple):
    """Which of the arrays that a folder may have are in batches."""

    forces: bool = True
    energies: bool = True
    charges: bool = True
    columns: tuple[tuple[str, Column], ...] = ()

    @property
    def cells(self) -> bool:
        """Whether molecules have cells."""
        return any(name == "cell" for name, _ in self.columns)


class Array(NamedTuple):
    """An array of a batch that has one row a molecule."""

    atoms: bool  #: whether a row has a slot for each atom
    shape: tuple[int, ...]  #: of a row, or of a slot
    dtype: np.dtype[Any]


@lru_cache(maxsize=256)
def arrays_of(layout: str, chosen: Chosen) -> dict[str, Array]:
    """The arrays of a layout that have one row a molecule, by key."""
    also = LAYOUTS[layout]
    made = {"Z": Array(True, (), INT), "R": Array(True, (3,), FLOAT)}
    if chosen.forces:
        made["F"] = Array(True, (3,), FLOAT)
    if chosen.energies:
        made["E"] = Array(False, (), DOUBLE)
    if also.sizes:
        made["N"] = Array(False, (), INT)
    if chosen.charges:
        made["Qtot"] = Array(False, (), DOUBLE)
    if also.mask:
        made["mask"] = Array(True, (), BOOL)
    for name, column in chosen.columns:
        made[name] = Array(column.per == "atom", column.shape, np.dtype(column.dtype))
    return made


@lru_cache(maxsize=256)
def fields_of(layout: str, slots: int, chosen: Chosen) -> Fields:
    """Shape and dtype of one sample of each array that has one row a molecule."""
    return sized(arrays_of(layout, chosen), slots)


def sized(arrays: Mapping[str, Array], slots: int) -> Fields:
    """Shape and dtype of one sample of each array, in so many slots of atoms."""
    return {
        key: ((slots, *array.shape) if array.atoms else array.shape, array.dtype)
        for key, array in arrays.items()
    }
