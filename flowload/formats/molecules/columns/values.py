"""What is appended to the files of a folder: which rows of it can be used, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.kernels.molecules.lattice import find_bad_cells

__all__ = ["ELEMENTS", "File", "as_stored", "blame", "has_room", "sound"]

ELEMENTS = 118

Bools = NDArray[np.bool_]


class File(NamedTuple):
    """A file of a packed folder, of one row a molecule or an atom."""

    word: str  #: what batches and messages call it
    dtype: np.dtype[Any]
    atoms: bool  #: one row an atom
    shape: tuple[int, ...] = ()  #: of a row


def as_stored(array: NDArray[Any], file: File) -> tuple[NDArray[Any], Bools]:
    """The rows as the file holds them, and which of them it can hold: not 1.5 as a whole number, say."""
    with np.errstate(all="ignore"):
        stored = array.astype(file.dtype)
        if file.dtype.kind == "f":
            return stored, rowwise(np.isfinite(stored))
        return stored, rowwise(stored == array)


def sound(word: str, array: NDArray[Any]) -> Bools:
    """Which rows of a standard array can be used."""
    if word == "Z":
        return np.asarray((array > 0) & (array <= ELEMENTS) & (array == np.floor(array)), bool)
    return rowwise(np.isfinite(array))


def rowwise(fine: Bools) -> Bools:
    """Which rows are fine in all of their numbers."""
    return np.asarray(fine.all(axis=tuple(range(1, fine.ndim))), bool)


def has_room(cells: NDArray[Any], pbc: Bools) -> Bools:
    """Which cells (n, 3, 3) have a volume along the axes that `pbc` (n, 3) says: others may be anything."""
    why = np.zeros(len(cells), np.uint8)
    find_bad_cells(cells.astype(np.float64), np.ascontiguousarray(pbc), 0.0, why, 1, 1)
    return np.asarray(why == 0, bool)


def blame(parts: Mapping[str, tuple[NDArray[Any], Bools]], where: str, atoms: set[str]) -> DataError:
    """What is wrong with the one molecule of which these are the rows, by word, and which are usable."""
    word = next(word for word, (_, fine) in parts.items() if not fine.all())
    values, fine = parts[word]
    place = int(np.flatnonzero(~fine)[0])
    wanted = {
        "Z": f"an atomic number from 1 to {ELEMENTS}",
        "cell": "three lattice vectors with a volume, as long as pbc has them",
    }.get(word, "finite numbers" if values.dtype.kind == "f" else "numbers of the column's dtype")
    at = f"{where}, atom {place}" if word in atoms else where
    value = values[place].tolist() if values.ndim > 2 else values[place]
    return DataError("bad molecule", where=at, found=f"{word} = {value}", wanted=wanted)
