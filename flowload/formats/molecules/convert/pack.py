"""Molecules from anywhere into a packed folder, in kcal/mol and Å, with what was made of their names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowload.errors import GraphError
from flowload.files.identity import changed, identify
from flowload.files.regular import opened
from flowload.formats.molecules.write import Some, packing

from .ani import read_ani
from .keys import Names
from .npz import read_npz
from .report import Told
from .units import Units
from .xyz import read_xyz

__all__ = ["Packed", "pack_molecules"]

log = logging.getLogger("flowload")

READERS: dict[str, Callable[[Path, Names, Told], Iterator[tuple[Some, int, int]]]] = {
    ".npz": read_npz,
    ".xyz": read_xyz,
    ".extxyz": read_xyz,
    ".h5": read_ani,
    ".hdf5": read_ani,
}


@dataclass(frozen=True)
class Packed:
    """How many molecules were written and skipped, and what was made of the source's names."""

    molecules: int
    skipped: int  #: that were bad
    told: Told = field(default_factory=Told, compare=False, repr=False)  #: names that were used and ignored


def pack_molecules(  # noqa: PLR0913 - parameters are options
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    units: Units,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    gradient_key: str | None = None,
    charge_key: str | None = None,
    ignore_cell: bool = False,
    skip_bad: bool = False,
    tell: Callable[[int, int], object] | None = None,
) -> Packed:
    """Write a folder for `PackedMolecules`, with a manifest `meta.json`; it appears when all is on disk.

    What the source calls its numbers is never guessed: energies and forces have one default name a kind of
    file, total charges a few usual ones, and whatever else looks like a charge and is not 0 is an error until
    it is named. The manifest and `Packed.told` say which names were used and which were ignored.

    Args:
        source: padded molecules (`.npz`), extended XYZ (`.xyz`, `.extxyz`), or HDF5 in the manner of ANI
            (`.h5`, `.hdf5`).
        out: the folder, which must not be there yet.
        units: of the source.
        energy_key: what energies are called; None: "energy" in XYZ, "energies" in HDF5, "E" in `.npz`.
        forces_key: what forces are called; None: "forces", or "F" in `.npz`.
        gradient_key: what gradients dE/dR are called, instead of forces: their sign is turned.
        charge_key: what total charges are called; None: `charge`, `total_charge`, `Qtot`, `Q` and their like,
            or 0 where nothing looks like one; "none": 0.
        ignore_cell: take periodic molecules as if they were not.
        skip_bad: leave out molecules whose numbers are not finite, or that have an atom of no element.
        tell: called with how much was read so far, and how much there is, in units of the source's own.

    Raises DataError for anything that is not as it should be, GraphError for what cannot be asked, OSError.
    """
    path = Path(source)
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise GraphError(f"pack molecules: {path.name!r} is none of {', '.join(READERS)}")
    names = Names(
        energy=energy_key,
        forces=forces_key,
        gradient=gradient_key,
        charge=charge_key,
        ignore_cell=ignore_cell,
    )
    with opened(path) as fd:
        before, told = identify(fd), Told()
    with packing(Path(out), units, skip_bad=skip_bad) as writer:
        for some, done, of in read(path, names, told):
            writer.add(some, str(path))
            if tell is not None:
                tell(done, of)
        with opened(path) as fd:
            if (after := identify(fd)) != before:
                raise changed(str(path), after, before)
        check_charges(told)
        writer.manifest = manifest(path, units, told)
    for words, count in told.warned.items():
        log.warning("%s: %s: %d", path, words, count)
    return Packed(writer.molecules, writer.skipped, told)


def check_charges(told: Told) -> None:
    """Warn where some molecules have a charge and some have none, or where charges have several names."""
    names = dict(told.used.get("charge", {}))
    without = told.supposed.get("no charge, 0 taken", 0)
    if names and without:
        told.warn("without a charge, which others have; 0 taken", without)
    if len(names) > 1:
        told.warn(f"charges under several names, {', '.join(map(repr, names))}", sum(names.values()))


def manifest(path: Path, units: Units, told: Told) -> dict[str, Any]:
    """What `meta.json` says of where the molecules are from."""
    source = {"name": path.name, "bytes": path.stat().st_size, **told.as_json()}
    given = {"energy": units.energy, "length": units.length, "force": units.force}
    return {"made_by": "flowload pack molecules", "version": 1, "units": given, "sources": [source]}
