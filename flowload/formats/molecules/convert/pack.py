"""Molecules from anywhere into a packed folder, in kcal/mol and Å, with what was made of their names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from flowload.errors import DataError, GraphError
from flowload.files.identity import Identity, changed, identify, identity_of
from flowload.files.regular import opened
from flowload.formats.molecules.columns import Column
from flowload.formats.molecules.write import Some, packing

from .ani import read_ani
from .asked import Asking, SourceColumn, asked_columns
from .keys import Names
from .npz import read_npz
from .report import Told, shown
from .sets.kinds import kind_of
from .sets.openqdc import FILES, read_openqdc
from .sets.qm9 import read_qm9
from .units import Units, same_unit
from .xyz.reader import read_xyz

__all__ = ["Packed", "SourceColumn", "pack_molecules"]

log = logging.getLogger("flowload")

Reader: TypeAlias = Callable[[Path, Names, Told], Iterator[tuple[Some, int, int]]]

READERS: dict[str, Reader] = {
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
    kind: str | None = None,
    columns: Asking = None,
    ignore_cell: bool = False,
    skip_bad: bool = False,
    tell: Callable[[int, int], object] | None = None,
) -> Packed:
    """Write a folder for `PackedMolecules`, with a manifest `meta.json`; it appears when all is on disk.

    What the source calls its numbers is never guessed: energies and forces have one default name a kind of
    file, total charges a few usual ones, and whatever else looks like a charge and is not 0 is an error until
    it is named. The manifest and `Packed.told` say which names were used and which were ignored.

    Args:
        source: extended XYZ (`.xyz`, `.extxyz`); HDF5 in the manner of ANI and SPICE (`.h5`, `.hdf5`); `.npz`
            of padded molecules, or of one molecule's conformations as in rMD17 and MD22; a folder of
            OpenQDC's memory maps; and with `kind="qm9"` its tar, folder or file.
        out: the folder, which must not be there yet.
        units: of the source. What a source itself says of them is compared, and an error where it differs.
        energy_key: what energies are called; None: "energy" in XYZ, "energies" in HDF5, "E" in `.npz`.
        forces_key: what forces are called; None: "forces", or "F" in `.npz`; "none": the folder has none.
        gradient_key: what gradients dE/dR are called, instead of forces: their sign is turned.
        charge_key: what total charges are called; None: `charge`, `total_charge`, `Qtot`, `Q` and their like,
            or 0 where nothing looks like one; "none": 0; "smiles": what a SMILES says, in HDF5.
        kind: a set whose names are known, which then are the defaults: "ani1x", "ani2x", "mace", "openqdc",
            "qm9" or "spice".
        columns: what else is packed, kept in its own unit: names of columns that the kind has, or "all" of
            them; or any, by name: `{"dipole": SourceColumn("scf_dipole", "molecule", (3,), "e*bohr")}`.
        ignore_cell: take periodic molecules as if they were not.
        skip_bad: leave out molecules whose numbers are not finite, or that have an atom of no element.
        tell: called with how much was read so far, and how much there is, in units of the source's own.

    Raises DataError for anything that is not as it should be, GraphError for what cannot be asked, OSError.
    """
    path, told = Path(source), Told()
    read = reader_of(path, kind)
    keys = {"energy": energy_key, "forces": forces_key, "gradient": gradient_key, "charge": charge_key}
    names = names_of(kind, keys, columns, ignore_cell=ignore_cell)
    before = identities(path)
    with packing(Path(out), units, skip_bad=skip_bad, columns=declared(names)) as writer:
        for some, done, of in read(path, names, told):
            if some.forces is not None and units.force is None:
                raise GraphError("pack molecules: unit of force is None; wanted one, or forces_key='none'")
            check_units(told, units)
            writer.add(some, str(path))
            if tell is not None:
                tell(done, of)
        check_unchanged(path, before)
        check_charges(told)
        writer.manifest = manifest(path, kind, before, units, told)
    for words, count in told.warned.items():
        log.warning("%s: %s: %d", path, words, count)
    return Packed(writer.molecules, writer.skipped, told)


def names_of(
    kind: str | None, keys: Mapping[str, str | None], columns: Asking, *, ignore_cell: bool
) -> Names:
    """What a source calls its numbers: as was said, else as this kind of set does. Raises GraphError."""
    known = kind_of(kind)
    said = {what for what, key in keys.items() if key is not None}
    if said & {"forces", "gradient"}:  # either is said instead of both
        said |= {"forces", "gradient"}
    return Names(
        **{what: keys[what] if what in said else getattr(known, what) for what in keys},
        ignore_cell=ignore_cell,
        columns=asked_columns(columns, known.columns, kind),
        left_out=known.left_out,
    )


def check_unchanged(path: Path, before: Mapping[str, Identity]) -> None:
    """Raise DataError that names a file of the source that came, went or changed while it was read."""
    after = identities(path)
    for name, identity in after.items():
        if identity != before.get(name):
            raise changed(name, identity, before.get(name, identity))
    for name in before:
        if name not in after:
            raise changed(name, None, before[name])


def reader_of(path: Path, kind: str | None) -> Reader:
    """What reads a source. Raises GraphError."""
    if kind == "qm9":
        return read_qm9
    if kind == "openqdc" or (
        kind is None and path.is_dir() and any((path / name).exists() for name in FILES)
    ):
        return read_openqdc
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise GraphError(
            f"pack molecules: {path.name!r} is none of {', '.join(READERS)}, no folder of OpenQDC's, and no "
            "kind='qm9' is said"
        )
    return read


def identities(path: Path) -> dict[str, Identity]:
    """What tells the files of a source from what they may become. Raises DataError where there is none."""
    if not path.is_dir():
        with opened(path) as fd:
            return {str(path): identify(fd)}
    found = {}
    for entry in os.scandir(path):
        if entry.is_file():
            found[entry.path] = identity_of(os.stat(entry.path))  # noqa: PTH116 - of a hundred thousand files
    return found


def declared(names: Names) -> dict[str, Column]:
    """The columns that a folder will have."""
    return {
        name: Column(
            per=wanted.per,
            shape=wanted.shape,
            dtype=wanted.dtype,
            unit=wanted.unit,
            kind="scalar" if wanted.kind == "label" else wanted.kind,
        )
        for name, wanted in names.columns
    }


def check_units(told: Told, units: Units) -> None:
    """Raise DataError where a source says another unit than was asked for; a word of its own is told."""
    for what, (said, where) in told.units.items():
        asked = getattr(units, what)
        if asked is None:
            continue
        same = same_unit(said, asked)
        if same is False:
            wanted = f"{asked!r}, as was said; or say {shown(said)}"
            raise DataError(f"another unit of {what}", where=where, found=repr(shown(said)), wanted=wanted)
        words = f"unit of {what} is called {shown(said)!r}; {asked!r} taken"
        if same is None and words not in told.warned:
            told.warn(words)


def check_charges(told: Told) -> None:
    """Warn where some molecules have a charge and some have none, or where charges have several names."""
    names = dict(told.used.get("charge", {}))
    without = told.supposed.get("no charge, 0 taken", 0)
    if names and without:
        told.warn("without a charge, which others have; 0 taken", without)
    if len(names) > 1:
        told.warn(f"charges under several names, {', '.join(map(repr, names))}", sum(names.values()))


def manifest(
    path: Path, kind: str | None, files: Mapping[str, Identity], units: Units, told: Told
) -> dict[str, Any]:
    """What `meta.json` says of where the molecules are from."""
    size = sum(identity.size for identity in files.values())
    source = {"name": path.name, "bytes": size, **told.as_json()}
    if kind is not None:
        source["kind"] = kind
    given = {"energy": units.energy, "length": units.length, "force": units.force}
    labels = {name: list(words) for name, words in told.labels.items()}
    made = {"made_by": "flowload pack molecules", "version": 1, "units": given, "sources": [source]}
    return {**made, **({"labels": labels} if labels else {})}
