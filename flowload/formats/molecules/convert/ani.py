"""HDF5 in the manner of ANI and SPICE: groups, at any depth, with arrays of conformations.

A group holds `coordinates (n, atoms, 3)`, `energies (n,)`, `forces (n, atoms, 3)`, and atomic numbers or
symbols: `(atoms,)` where a group is a molecule, as in ANI-1, or `(n, atoms)` where it is all molecules of as
many atoms, as in ANI-2x. Other sets have other names (ANI-1x: `wb97x_dz.energy`, `wb97x_dz.forces`), and NaN
where a conformation was not computed. Needs h5py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, MissingExtra
from flowload.files.foreign import foreign
from flowload.files.regular import opened
from flowload.formats.hdf5.links import Group, Walk
from flowload.formats.hdf5.plain import check_heaps, check_stored
from flowload.formats.molecules.write import Some

from .arrays import Picked, pick_arrays, tell_meaning, tell_picked, total_charges
from .boxes import find_boxes
from .elements import atomic_numbers
from .keys import CELLS, NONE, PERIODIC, SMILES, Names, like_charge, plain
from .report import Told, shown
from .smiles import smiles_charge

__all__ = ["read_ani"]

PLACES = ("coordinates", "conformations", "positions")
SPECIES = ("atomic_numbers", "species", "numbers", "atomic_nums")

NBYTES = 64 << 20  #: that are read at a time
LARGEST = 1 << 30  #: bytes of one conformation: a claim of more is none

Array = NDArray[Any]


def read_ani(
    path: Path, names: Names | None = None, told: Told | None = None
) -> Iterator[tuple[Some, int, int]]:
    """Conformations of one group at a time; with how many groups came so far, and how many there are.

    Args:
        path: the file.
        names: of what is read.
        told: is told what was used and ignored.

    Raises DataError that names file and group, and MissingExtra without h5py.
    """
    try:
        import h5py  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("reading HDF5 takes h5py: pip install 'flowload[hdf5]'") from error
    names, told = names or Names(), told or Told()
    with ExitStack() as stack:
        with opened(path):  # the library would wait for a pipe's writer
            pass
        with foreign("bad HDF5", str(path)):
            file = stack.enter_context(h5py.File(path, "r"))
        walk = Walk(h5py, file, path, stack)
        found = find_groups(walk, told)
        if not found:
            wanted = f"groups that hold {' or '.join(map(repr, PLACES))}"
            said = next(iter(told.warned), "none")
            raise DataError("no molecules", where=str(path), found=said, wanted=wanted)
        checked: set[Path] = set()
        for number, group in enumerate(found):
            where = f"{path}, {shown(group.name)}"
            conformations = Conformations(group.node, walk.datasets(group), where, names)
            if conformations.worded and group.path not in checked:
                check_heaps(group.path)
                checked.add(group.path)
            conformations.find_charge()
            charge = SMILES if conformations.by_smiles else None
            tell_picked(told, conformations.picked, 1, conformations.names, charge)
            conformations.tell_units(told)
            for key in conformations.unused:
                told.ignore(key)
            for some in conformations.read(number):
                yield some, number + 1, len(found)


def find_groups(walk: Walk, told: Told) -> list[Group]:
    """The groups that hold conformations, in the order of their names."""
    found: list[Group] = []
    for group, datasets in walk.groups():
        if any(key in datasets for key in PLACES):
            found.append(group)
        elif datasets:
            told.warn(f"group without {PLACES[0]}, such as {shown(group.name)!r}, left out")
    if walk.again:
        told.suppose("links to groups that are read anyway", walk.again)
    if walk.lost:
        told.warn(f"links that lead nowhere, such as {shown(walk.lost[0])!r}", len(walk.lost))
    return found


def lineage(node: Any) -> Iterator[Any]:
    """A group, and those around it, up to the root."""
    yield node
    while node.name not in (None, "/"):
        node = node.parent
        yield node


class Conformations:
    """What a group holds, after names and shapes were checked. Raises DataError.

    Args:
        node: the group.
        datasets: what it holds by name.
        where: file and group, for messages.
        names: of what is read.
    """

    def __init__(self, node: Any, datasets: Mapping[str, Any], where: str, names: Names) -> None:
        self.where = where
        self.arrays = dict(datasets)
        self.add_attributes(node)
        self.places = self.first(PLACES)
        self.species = self.first(SPECIES)
        with foreign("bad HDF5", f"{where}/{self.places}"):
            shape = self.arrays[self.places].shape
        if len(shape) != 3 or shape[2] != 3:
            raise self.unfit(self.places, "[n, atoms, 3]")
        self.count, self.atoms = shape[:2]
        if not self.atoms:
            raise DataError("no atoms", where=where, wanted=f"at least one in {self.places}")
        self.formal: int | None = None  #: the charge that a SMILES says
        self.names = replace(names, charge=NONE) if names.charge == SMILES else names
        self.by_smiles = names.charge == SMILES
        self.picked = self.pick(self.names)
        self.unused = [key for key in (*PLACES, *SPECIES) if key in self.arrays and key not in self.keys()]
        for key, fits in self.keys().items():
            self.check(key, fits)

    def add_attributes(self, node: Any) -> None:
        """Charges and cells are kept beside the data, too, or beside all groups in the one around them."""
        with foreign("bad HDF5", self.where):
            for each in lineage(node):
                for key in each.attrs:
                    if key not in self.arrays and (like_charge(key) or plain(key) in (*CELLS, *PERIODIC)):
                        kind = each.attrs.get_id(key).dtype.kind
                        # Words are not read: what they say of a cell is not clear, and they are no charge.
                        self.arrays[key] = np.asarray(each.attrs[key] if kind in "biuf" else "")

    def first(self, keys: tuple[str, ...]) -> str:
        """The first of these that is there."""
        known = next((key for key in keys if key in self.arrays), None)
        if known is None:
            found = ", ".join(map(shown, sorted(self.arrays)[:40]))
            raise DataError("arrays are missing", where=self.where, found=found, wanted=" or ".join(keys))
        return known

    def pick(self, names: Names) -> Picked:
        """Which arrays are energies, forces and charges."""
        # What is no number fits nothing: a name such as "charge_method" may be anything else.
        with foreign("bad HDF5", self.where):  # the library makes a dtype when it is asked for
            shapes = {
                key: each.shape if each.dtype.kind in "iuf" else (-1,) for key, each in self.arrays.items()
            }
        fixed = (*PLACES, *SPECIES)
        defaults = ("energies", "forces")
        picked = pick_arrays(shapes, (self.count, self.atoms), names, fixed, defaults, self.where)
        known = {key: each.shape for key, each in self.arrays.items()}
        boxes, cell = find_boxes(known, self.small, self.count, self.where, ignore=names.ignore_cell)
        if names.charge is None and self.count == self.atoms > 1:
            for key in (*picked.charges, *picked.suspects):
                self.check_meaning(key)
        return picked._replace(cell=cell, boxes=boxes)

    def check_meaning(self, key: str) -> None:
        """Raise DataError where nobody can tell whether a charge is one of an atom or of a conformation."""
        values = self.small(key) if self.arrays[key].shape == (self.count,) else None
        if values is not None and (values != values[0]).any():
            raise tell_meaning(key, self.count, self.where)

    def keys(self) -> dict[str, list[tuple[int, ...]]]:
        """The arrays that are read, and the shapes that each may have."""
        count, atoms = self.count, self.atoms
        fits = {key: self.picked.shapes(key, count, atoms) for key in self.picked.keys}
        fits[self.places] = [(count, atoms, 3)]
        fits[self.species] = [(atoms,), (atoms, 1), (1, atoms), (count, atoms)]
        return fits

    def check(self, key: str, fits: list[tuple[int, ...]]) -> None:
        """Raise DataError unless an array has one of these shapes, holds numbers, and is there."""
        array = self.arrays[key]
        kinds = "iufSUO" if key == self.species else "iuf"
        if array.shape not in fits or array.dtype.kind not in kinds:
            raise self.unfit(key, " or ".join(f"{list(fit)}" for fit in dict.fromkeys(fits)))
        if prod(array.shape[1:]) * array.dtype.itemsize > LARGEST:
            raise self.unfit(key, f"at most {LARGEST:,} bytes a conformation")
        if not isinstance(array, np.ndarray):
            check_stored(array, f"{self.where}/{key}")

    def unfit(self, key: str, wanted: str) -> DataError:
        """The error for an array of another kind."""
        array = self.arrays[key]
        found = f"{array.dtype}{list(array.shape)}"
        where = f"{self.where}/{shown(key)}"
        return DataError("arrays do not fit", where=where, found=found, wanted=f"numbers{wanted}")

    def small(self, key: str, most: int = NBYTES) -> Array | None:
        """All of an array, unless it is larger than so many bytes."""
        array = self.arrays[key]
        if array.dtype.kind not in "biuf" or prod(array.shape) * array.dtype.itemsize > most:
            return None
        return self.part(key, slice(None))

    def part(self, key: str, rows: slice) -> Array:
        """Some rows."""
        array = self.arrays[key]
        with foreign("bad HDF5", f"{self.where}/{shown(key)}"):
            return np.asarray(array[rows] if array.shape else array[()])

    def read(self, number: int) -> Iterator[Some]:
        """Some conformations at a time, of group number `number`."""
        row = 8 * self.atoms * 8
        each = max(1, NBYTES // row)
        kinds = None if self.varied else self.elements(slice(None)).reshape(-1)
        for start in range(0, self.count, each):
            rows = slice(start, min(start + each, self.count))
            yield self.some(rows, kinds, number)

    @property
    def worded(self) -> bool:
        """Whether strings of any length are read."""
        keys = [self.species, *([SMILES] if self.by_smiles and SMILES in self.arrays else [])]
        return any(self.arrays[key].dtype.kind == "O" for key in keys)

    def find_charge(self) -> None:
        """Where it is asked for, the charge that the group's SMILES says. Raises DataError."""
        if not self.by_smiles:
            return
        array = self.arrays.get(SMILES)
        if array is None or array.dtype.kind not in "SO" or array.shape not in ((), (1,)):
            found = "none" if array is None else f"{array.dtype}{list(array.shape)}"
            raise DataError("no charge", where=self.where, found=found, wanted=f"one text in {SMILES}")
        text = np.asarray(self.part(SMILES, slice(None))).reshape(-1)[0]
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        self.formal = smiles_charge(said, f"{self.where}/{SMILES}")

    def tell_units(self, told: Told) -> None:
        """What the arrays say of their units."""
        names = {"energy": self.picked.energy, "length": self.places, "force": self.picked.forces}
        for what, key in names.items():
            array = None if key is None else self.arrays[key]
            if array is None or isinstance(array, np.ndarray):
                continue
            with foreign("bad HDF5", f"{self.where}/{shown(str(key))}"):
                word = array.attrs.get("units", "")
            if isinstance(word, str | bytes) and word:
                said = word.decode(errors="replace") if isinstance(word, bytes) else word
                told.say_unit(what, said, f"{self.where}/{shown(str(key))}")

    @property
    def varied(self) -> bool:
        """Whether each conformation has elements of its own."""
        return bool(self.arrays[self.species].shape == (self.count, self.atoms)) and self.count != 1

    def elements(self, rows: slice) -> Array:
        """Atomic numbers."""
        return atomic_numbers(self.part(self.species, rows), self.where)

    def some(self, rows: slice, kinds: Array | None, number: int) -> Some:
        """Some conformations. Raises DataError."""
        count = rows.stop - rows.start
        read = {
            key: self.part(key, rows if self.arrays[key].shape[:1] == (self.count,) else slice(None))
            for key in self.picked.keys
        }
        numbers = self.elements(rows).reshape(-1) if kinds is None else np.tile(kinds, count)
        return Some(
            np.full(count, self.atoms),
            numbers,
            self.part(self.places, rows).reshape(-1, 3),
            self.picked.forces_of(read),
            read[self.picked.energy].reshape(-1),
            self.charges(read, count),
            # Where a group holds many molecules, its number is the name of none.
            groups=None if self.varied else np.full(count, number),
            columns=self.picked.columns_of(read),
            **self.picked.box(rows.start, count),
        )

    def charges(self, read: Mapping[str, Array], count: int) -> Array | None:
        """Total charges of some conformations; None: all are 0."""
        if self.formal is not None:
            return np.full(count, float(self.formal))
        return total_charges(read, self.picked, count, self.where)
