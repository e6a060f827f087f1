"""Molecules from anywhere into a packed folder, in kcal/mol and Å."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from flowload.errors import GraphError, NoDataError

from .molecules_ani import read_ani
from .molecules_npz import read_npz
from .molecules_units import Units
from .molecules_write import Some, packing
from .molecules_xyz import XyzKeys, read_xyz

__all__ = ["Packed", "pack_molecules"]

READERS = {
    ".npz": "npz",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
}


#: What cannot be said of a kind of file.
IDLE = {"npz": ("energy_key", "forces_key", "ignore_cell"), "xyz": (), "hdf5": ("ignore_cell",)}


class Packed(NamedTuple):
    """What was written."""

    molecules: int
    skipped: int  #: that were bad


def pack_molecules(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    units: Units,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    ignore_cell: bool = False,
    skip_bad: bool = False,
    tell: Callable[[int, int], object] | None = None,
) -> Packed:
    """Write a folder for `PackedMolecules`; it appears when all of it is written.

    Args:
        source: padded molecules (`.npz`), extended XYZ (`.xyz`, `.extxyz`), or HDF5 in the manner of ANI
            (`.h5`, `.hdf5`).
        out: the folder, which must not be there yet.
        units: of the source.
        energy_key: what energies are called, in XYZ and HDF5; None: "energy", or "energies" in HDF5.
        forces_key: what forces are called there; None: "forces".
        ignore_cell: take periodic frames of XYZ as if they were not.
        skip_bad: leave out molecules whose numbers are not finite, or that have an atom of no element.
        tell: called with how much was read so far, and how much there is, in units of the source's own.

    Raises DataError for anything that is not as it should be, GraphError for an unknown kind of file.
    """
    path = Path(source)
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise GraphError(f"pack molecules: {path.name!r} is none of {', '.join(READERS)}")
    given = {
        "energy_key": energy_key is not None,
        "forces_key": forces_key is not None,
        "ignore_cell": ignore_cell,
    }
    for key in IDLE[kind]:
        if given[key]:
            raise GraphError(f"pack molecules: {key} says nothing of a {path.suffix} file")
    if not path.is_file():
        raise NoDataError("no such file", where=str(path))
    if kind == "npz":
        parts = read_npz(path)
    elif kind == "xyz":
        parts = read_xyz(
            path, XyzKeys(energy_key or "energy", forces_key or "forces", ignore_cell=ignore_cell)
        )
    else:
        parts = read_ani(path, energy=energy_key or "energies", forces=forces_key or "forces")
    return write(parts, path, Path(out), units, skip_bad=skip_bad, tell=tell)


def write(
    parts: Iterator[tuple[Some, int, int]],
    path: Path,
    out: Path,
    units: Units,
    *,
    skip_bad: bool,
    tell: Callable[[int, int], object] | None,
) -> Packed:
    """Append part by part."""
    with packing(out, units, skip_bad=skip_bad) as writer:
        for some, done, of in parts:
            writer.add(some, str(path))
            if tell is not None:
                tell(done, of)
        return Packed(writer.molecules, writer.skipped)
