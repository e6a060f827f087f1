"""Writing a folder of packed molecules: under another name until all of it is there."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.files.drafts import naming, new_folder, write_all
from flowload.formats.molecules.convert.units import Units

from .files import PACKS, open_pack

__all__ = ["PackWriter", "Some", "packing"]

MANIFEST = "meta.json"

ATOMS = ("Z_pack.int32", "R_pack.f32", "F_pack.f32")  #: files with one row an atom
MOLECULES = ("E.f64", "Qtot.f64")  #: files with one row a molecule

Bools = NDArray[np.bool_]


class Some(NamedTuple):
    """Some molecules, one behind the other, in the units of their source."""

    sizes: NDArray[Any]  #: (n,) atoms of each, from 1
    numbers: NDArray[Any]  #: (atoms,) atomic numbers
    places: NDArray[Any]  #: (atoms, 3)
    forces: NDArray[Any]  #: (atoms, 3)
    energies: NDArray[Any]  #: (n,)
    charges: NDArray[Any] | None = None  #: (n,) in e; None: 0
    groups: NDArray[Any] | None = None  #: (n,) integers from 0: the molecule of a conformation


class PackWriter:
    """Appends molecules to the files of a folder.

    Args:
        folder: where to; it is there.
        units: of what is appended.
        skip_bad: leave molecules out whose numbers are not finite, or that have an atom of no element, and
            count them in `skipped`; else they are errors.
        stack: closes the files.
    """

    def __init__(self, folder: Path, units: Units, *, skip_bad: bool, stack: ExitStack) -> None:
        self.folder = folder
        self.factors = units.factors()
        self.skip_bad = skip_bad
        # Without a buffer: what a full disk refuses is known at once, and not again when files are closed.
        self.files = {name: stack.enter_context((folder / name).open("wb", buffering=0)) for name in PACKS}
        self.manifest: dict[str, Any] | None = None  #: of where the molecules are from; None: there is none
        self.sizes: list[NDArray[np.int32]] = []
        self.groups: list[NDArray[np.int64]] = []
        self.molecules = 0
        self.skipped = 0

    def add(self, some: Some, where: str) -> None:
        """Append molecules; `where` says in messages where they came from. Raises DataError."""
        if not len(some.sizes):
            return
        arrays = self.converted(some)
        good = self.good(arrays, some.sizes, where)
        atoms = np.repeat(good, some.sizes)
        for name in ATOMS:
            self.append(name, arrays[name][atoms])
        for name in MOLECULES:
            self.append(name, arrays[name][good])
        groups = np.full(len(good), -1) if some.groups is None else some.groups
        self.sizes.append(some.sizes[good].astype(np.int32))
        self.groups.append(groups[good].astype(np.int64))
        self.molecules += int(good.sum())
        self.skipped += int((~good).sum())

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Write rows behind those that are there."""
        with naming(self.folder / name):
            write_all(self.files[name].fileno(), rows.astype(PACKS[name][0]).tobytes())

    def converted(self, some: Some) -> dict[str, NDArray[Any]]:
        """What files hold, in their units; atomic numbers as they came, until they are known to be whole."""
        energy, length, force = self.factors
        charges = np.zeros(len(some.sizes)) if some.charges is None else some.charges
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and found to be bad
            return {
                "Z_pack.int32": some.numbers,
                "R_pack.f32": (some.places * length).astype("<f4"),
                "F_pack.f32": (some.forces * force).astype("<f4"),
                "E.f64": some.energies.astype("<f8") * energy,
                "Qtot.f64": charges.astype("<f8"),
            }

    def good(self, arrays: Mapping[str, NDArray[Any]], sizes: NDArray[Any], where: str) -> Bools:
        """Which molecules can be used. Raises DataError for one that cannot, unless those are skipped."""
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        good = np.ones(len(sizes), bool)
        for name in ATOMS:
            good &= np.logical_and.reduceat(sound(name, arrays[name]), begins)
        for name in MOLECULES:
            good &= sound(name, arrays[name])
        if not self.skip_bad and not good.all():
            bad = int(np.flatnonzero(~good)[0])
            own = slice(int(begins[bad]), int(begins[bad] + sizes[bad]))
            parts = {name: arrays[name][own if name in ATOMS else slice(bad, bad + 1)] for name in arrays}
            raise blame(parts, f"{where}, molecule {self.molecules + bad}")
        return good

    def finish(self) -> None:
        """Write what is known at the end."""
        sizes, groups = np.concatenate(self.sizes), np.concatenate(self.groups)
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.save("n_atoms.npy", sizes)
        self.save("offsets.npy", offsets)
        if (groups >= 0).all():
            self.save("groups.npy", groups)
        if self.manifest is not None:
            counts = {"molecules": self.molecules, "atoms": int(offsets[-1]), "skipped": self.skipped}
            self.whole(MANIFEST, (json.dumps(self.manifest | counts, indent=1) + "\n").encode())

    def save(self, name: str, array: NDArray[Any]) -> None:
        """Write a `.npy` file."""
        head = io.BytesIO()
        npy.write_array_header_1_0(head, npy.header_data_from_array_1_0(array))
        self.whole(name, head.getvalue() + array.tobytes())

    def whole(self, name: str, data: bytes) -> None:
        """Write a file in one go."""
        path = self.folder / name
        with naming(path), path.open("wb", buffering=0) as file:
            write_all(file.fileno(), data)


def sound(name: str, array: NDArray[Any]) -> Bools:
    """Which rows of an array can be used."""
    if name == "Z_pack.int32":
        known: Bools = (array > 0) & (array <= 118) & (array == np.floor(array))
        return known
    fine: Bools = np.isfinite(array)
    return np.logical_and.reduce(fine, axis=1) if fine.ndim > 1 else fine


def blame(parts: Mapping[str, NDArray[Any]], where: str) -> DataError:
    """What is wrong with the one molecule of which these are the rows."""
    name = next(name for name, part in parts.items() if not sound(name, part).all())
    place = int(np.flatnonzero(~sound(name, parts[name]))[0])
    wanted = "an atomic number from 1 to 118" if name == "Z_pack.int32" else "finite numbers"
    at = f"{where}, atom {place}" if name in ATOMS else where
    word = name.partition(".")[0].removesuffix("_pack")
    return DataError("bad molecule", where=at, found=f"{word} = {parts[name][place]}", wanted=wanted)


@contextmanager
def packing(out: Path, units: Units, *, skip_bad: bool = False) -> Iterator[PackWriter]:
    """A writer; the folder gets its name when the block ends well, and is gone when it does not.

    All of it is on disk before the folder has its name.

    Raises DataError where the folder is there already: it is never overwritten; NoDataError if nothing came;
    OSError that names its file.
    """
    with new_folder(out) as draft:
        with ExitStack() as stack:
            writer = PackWriter(draft, units, skip_bad=skip_bad, stack=stack)
            yield writer
            if not writer.molecules:
                found = f"{writer.skipped:,}, all of them bad" if writer.skipped else "none"
                raise NoDataError("no molecules to pack", where=str(out), found=found)
            writer.finish()
        open_pack(draft).guard.close()  # what was written is what will be read
