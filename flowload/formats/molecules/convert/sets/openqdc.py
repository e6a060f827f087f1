"""A folder of OpenQDC's memory maps, as its cache and its `preprocess` leave them.

`atomic_inputs.mmap (A, 5) float32`: atomic number, formal charge, position · `position_idx_range.mmap (N, 2)
int32`: the atoms of a molecule · `energies.mmap (N, k) float64`: by k methods · `forces.mmap (A, 3, m)
float32`, which may be absent: by m of them. No file says which method is which: OpenQDC's page of the set
does, in the order of these columns. `props.pkl` (names, subsets) is a pickle, and never read.

Source: valence-labs/openQDC, `datasets/structure.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.files.arrays import Dump, map_array
from flowload.files.guard import Guard
from flowload.formats.molecules.convert.keys import NONE, Names
from flowload.formats.molecules.convert.report import Told
from flowload.formats.molecules.write import Some

__all__ = ["FILES", "read_openqdc"]

Array = NDArray[Any]

ATOMS, RANGES, ENERGIES, FORCES = (
    f"{name}.mmap" for name in ("atomic_inputs", "position_idx_range", "energies", "forces")
)
FILES = (ATOMS, RANGES, ENERGIES, FORCES)

ROWS = 1 << 16  #: molecules that are read at a time,
LARGEST = 1 << 22  #: and atoms of one


def read_openqdc(
    path: Path, names: Names | None = None, told: Told | None = None
) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with how many came so far, and how many there are.

    Args:
        path: the folder.
        names: of energies and forces are numbers of columns, "0", "1" ...; None: there is one.
        told: is told what was used and ignored.

    Raises DataError that names file and molecule.
    """
    names, told = names or Names(), told or Told()
    guard = Guard()
    try:
        yield from Maps(path, names, guard, told).read()
    finally:
        guard.close()


class Maps:
    """The files of a folder, mapped, after their sizes were checked. Raises DataError.

    Args:
        path: the folder.
        names: that the user gave.
        guard: of the files.
        told: is told what was used and ignored.
    """

    def __init__(self, path: Path, names: Names, guard: Guard, told: Told) -> None:
        self.path, self.names, self.guard = path, names, guard
        self.atoms = self.mapped(ATOMS, "<f4", 5)
        self.ranges = self.mapped(RANGES, "<i4", 2)
        if not len(self.ranges):
            raise NoDataError("no molecules", where=str(path / RANGES), found="0 bytes")
        count = len(self.ranges)
        self.energies = self.mapped(ENERGIES, "<f8", self.width(ENERGIES, 8 * count, "molecules", count))
        self.energy = self.column("energy", names.energy, self.energies.shape[1], ENERGIES)
        told.use("energy", f"{ENERGIES}, column {self.energy}", count)
        self.forces, self.force, self.sign = self.find_forces(told, count)
        told.use("charge", "formal charges of atoms, added up", count)
        told.ignore("props.pkl")
        self.formal = names.charge != NONE

    def mapped(self, name: str, dtype: str, width: int) -> Array:
        """A file as rows of so many numbers."""
        self.size(name)
        return map_array(self.path / name, self.guard, dump=Dump(np.dtype(dtype), (width,)))

    def size(self, name: str) -> int:
        """Bytes of a file. Raises NoDataError where there is none."""
        path = self.path / name
        if not path.is_file():
            raise NoDataError("no such file", where=str(path), wanted="a folder of OpenQDC's .mmap files")
        return path.stat().st_size

    def width(self, name: str, row: int, what: str, count: int) -> int:
        """Numbers a row, by the size of the file. Raises DataError where it has none for each."""
        size = self.size(name)
        if not size or size % row:
            wanted = f"a multiple of {row:,} bytes, for {count:,} {what}"
            raise DataError("bad size", where=str(self.path / name), found=f"{size:,} bytes", wanted=wanted)
        return size // row

    def column(self, what: str, name: str | None, columns: int, file: str) -> int:
        """Which of the methods is asked for. Raises DataError."""
        if name is None and columns == 1:
            return 0
        if name is None or not (name.isascii() and name.isdigit()) or int(name) >= columns:
            found = f"{columns} methods" if name is None else repr(name)
            wanted = f"--{what}-key with one of the columns 0 to {columns - 1}, as OpenQDC's page lists them"
            raise DataError("which method", where=str(self.path / file), found=found, wanted=wanted)
        return int(name)

    def find_forces(self, told: Told, count: int) -> tuple[Array | None, int, float]:
        """Forces, the column that is asked for, and its sign; None: there are none."""
        name, sign = self.names.force("")
        if name is None or (name == "" and not (self.path / FORCES).exists()):
            told.suppose("no forces", count)
            return None, 0, 1.0
        methods = self.width(FORCES, 12 * len(self.atoms), "atoms", len(self.atoms))
        forces = self.mapped(FORCES, "<f4", 3 * methods)
        force = self.column("forces", name or None, methods, FORCES)
        words = "forces" if sign > 0 else "gradient, sign turned"
        told.use(words, f"{FORCES}, column {force}", count)
        return forces.reshape(len(self.atoms), 3, methods), force, sign

    def read(self) -> Iterator[tuple[Some, int, int]]:
        """Some molecules at a time. Raises DataError for atoms that are not where they should be."""
        total, end = len(self.ranges), 0
        for start in range(0, total, ROWS):
            with self.guard:
                ranges = np.array(self.ranges[start : start + ROWS], np.int64)
                self.check(ranges, start, end)
                begin, end = int(ranges[0, 0]), int(ranges[-1, 1])
                some = self.some(slice(start, start + len(ranges)), slice(begin, end), ranges)
            yield some, start + len(ranges), total
        if end != len(self.atoms):
            found, wanted = f"{len(self.atoms):,} atoms", f"the {end:,} of {RANGES}"
            raise DataError("arrays do not fit", where=str(self.path / ATOMS), found=found, wanted=wanted)

    def check(self, ranges: Array, start: int, end: int) -> None:
        """Raise DataError unless molecules lie one behind the other, from atom `end` on."""
        begins = np.concatenate([[end], ranges[:-1, 1]])
        sizes = ranges[:, 1] - ranges[:, 0]
        bad = (ranges[:, 0] != begins) | (sizes < 1) | (sizes > LARGEST) | (ranges[:, 1] > len(self.atoms))
        if bad.any():
            row = int(bad.argmax())
            where = f"{self.path / RANGES}, molecule {start + row}"
            found = f"atoms {ranges[row, 0]} to {ranges[row, 1]}"
            wanted = f"from {begins[row]} on, at least one, within the {len(self.atoms):,} of {ATOMS}"
            raise DataError("bad range of atoms", where=where, found=found, wanted=wanted)

    def some(self, rows: slice, atoms: slice, ranges: Array) -> Some:
        """Some molecules, copied from the maps."""
        inputs = np.array(self.atoms[atoms])
        charges = np.add.reduceat(inputs[:, 1].astype(np.float64), ranges[:, 0] - ranges[0, 0])
        forces = None if self.forces is None else self.sign * self.forces[atoms, :, self.force]
        return Some(
            ranges[:, 1] - ranges[:, 0],
            inputs[:, 0],
            inputs[:, 2:],
            forces,
            np.array(self.energies[rows, self.energy]),
            charges if self.formal else None,
            columns={name: inputs[:, 1] for name, _ in self.names.columns},
        )
