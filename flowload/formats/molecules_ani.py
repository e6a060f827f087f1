"""HDF5 in the manner of ANI: a group a molecule, at any depth, with arrays of its conformations.

A group holds `coordinates (n, atoms, 3)`, `energies (n,)`, `forces (n, atoms, 3)`, and `species` (symbols)
or `atomic_numbers (atoms,)`. ANI-1x names energies and forces otherwise (`wb97x_dz.energy`,
`wb97x_dz.forces`), and has NaN where a conformation was not computed. Needs h5py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, MissingExtra

from .elements import NUMBERS
from .molecules_write import Some

if TYPE_CHECKING:
    import h5py

__all__ = ["read_ani"]

PLACES = "coordinates"


def read_ani(
    path: Path, *, energy: str = "energies", forces: str = "forces"
) -> Iterator[tuple[Some, int, int]]:
    """The conformations of one molecule at a time; with how many groups came so far, and how many there are.

    Args:
        path: the file.
        energy: the name of the energies in each group.
        forces: the name of the forces.

    Raises DataError that names file and group, and MissingExtra without h5py.
    """
    try:
        import h5py  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("reading HDF5 takes h5py: pip install 'flowload[hdf5]'") from error
    try:
        with h5py.File(path) as file:
            names = group_names(file)
            if not names:
                wanted = f"groups that hold {PLACES!r}"
                raise DataError("no molecules", where=str(path), found="none", wanted=wanted)
            for number, name in enumerate(names):
                some = read_group(file[name], f"{path}, {name}", (energy, forces), number)
                yield some, number + 1, len(names)
    except OSError as error:
        raise DataError("bad HDF5", where=str(path), found=str(error)) from error


def group_names(file: h5py.File) -> list[str]:
    """The groups that hold conformations, in the order of their names."""
    names: list[str] = []

    def look(name: str, node: Any) -> None:
        if hasattr(node, "keys") and PLACES in node:
            names.append(name)

    file.visititems(look)
    return names


def read_group(group: Any, where: str, labels: tuple[str, str], number: int) -> Some:
    """The conformations of one molecule. Raises DataError."""
    energy, forces = labels
    species = next((key for key in ("atomic_numbers", "species") if key in group), "species")
    if missing := [key for key in (species, energy, forces) if key not in group]:
        found = ", ".join(sorted(group))
        raise DataError("arrays are missing", where=where, found=found, wanted=", ".join(missing))
    places = np.asarray(group[PLACES])
    numbers = atomic_numbers(np.asarray(group[species]), where)
    if not len(numbers):
        raise DataError("no atoms", where=where, wanted=f"at least one in {species}")
    count = len(places) if places.ndim else 0
    arrays = {
        PLACES: places,
        energy: np.asarray(group[energy]).reshape(-1),
        forces: np.asarray(group[forces]),
    }
    shapes = {PLACES: (count, len(numbers), 3), energy: (count,), forces: (count, len(numbers), 3)}
    for key, array in arrays.items():
        if array.shape != shapes[key] or array.dtype.kind not in "iuf":
            found, wanted = f"{array.dtype}{list(array.shape)}", f"numbers{list(shapes[key])}"
            raise DataError("arrays do not fit", where=f"{where}/{key}", found=found, wanted=wanted)
    return Some(
        np.full(count, len(numbers)),
        np.tile(numbers, count),
        places.reshape(-1, 3),
        arrays[forces].reshape(-1, 3),
        arrays[energy],
        groups=np.full(count, number),
    )


def atomic_numbers(species: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Atomic numbers of symbols or numbers, (atoms,). Raises DataError for what is no element."""
    if species.dtype.kind in "iu":
        return species.reshape(-1).astype(np.int64)
    symbols = [
        symbol.decode() if isinstance(symbol, bytes) else str(symbol)
        for symbol in species.reshape(-1).tolist()
    ]
    if unknown := [symbol for symbol in symbols if symbol not in NUMBERS]:
        raise DataError("no element", where=where, found=repr(unknown[0]), wanted="a chemical symbol")
    return np.array([NUMBERS[symbol] for symbol in symbols], np.int64)
