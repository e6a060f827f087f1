"""Extended XYZ: any number of frames, each a count, a line of `key=value`, and a line an atom.

Source: libAtoms/extxyz. A kernel reads the lines of atoms; numbers are the nearest floats, as Python's, but
only in the digits of ASCII, and without `_`. A frame is periodic unless it clearly says that it is not: with
a cell and no `pbc` it is, along all axes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.files.regular import opened
from flowload.formats.molecules.convert.elements import fault_of
from flowload.formats.molecules.convert.keys import NONE, Names, like_charge
from flowload.formats.molecules.convert.report import Told
from flowload.formats.molecules.symbols import NUMBERS
from flowload.formats.molecules.write import Some
from flowload.kernels.molecules.text import MANY, SYMBOL, WORD, read_table

from .columns import Columns, find_columns
from .comment import PAIR, WrongLineError, read_comment
from .frame_keys import LONGEST, NUMERAL, Box, Roles, find_keys
from .lines import Lines

__all__ = ["PAIR", "read_xyz"]

FRAMES = 1000  #: that are given at a time
ATOMS = 1 << 20  #: with so many atoms it is enough, too
LINES = 1 << 16  #: of atoms that a kernel reads in one call

KINDS = 10_000  #: of frames, after which they are told: each may have keys of its own
COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)

TABLE = np.zeros(1 << 16, np.int16)  #: atomic numbers by the two bytes of a symbol
for symbol, number in NUMBERS.items():
    TABLE[256 * ord(symbol[0]) + (ord(symbol[1]) if len(symbol) > 1 else 0)] = number


class Frame(NamedTuple):
    """One frame of a file: atoms with places and forces, energy and total charge."""

    atoms: NDArray[np.float64]  #: (atoms, 7 or more): number, place, force, columns
    energy: float
    charge: float
    columns: tuple[NDArray[np.float64], ...]  #: of the molecule
    box: Box | None  #: of one that is periodic


def read_xyz(
    path: Path, names: Names | None = None, told: Told | None = None
) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with the bytes that were read so far, and those of the file.

    Args:
        path: the file.
        names: of what is read.
        told: is told what was used and ignored, frame by frame.

    Raises DataError that names file, frame and line.
    """
    with opened(path) as fd, open(fd, "rb", closefd=False) as file:
        lines = Lines(file, path)
        if not lines.size:
            raise NoDataError("no frames", where=str(path), found="an empty file")
        reader = Reader(lines, path, names or Names(), told or Told())
        while frames := list(reader.some()):
            yield joined(frames, reader), lines.done, lines.size
        reader.tell()


def joined(frames: list[Frame], reader: Reader) -> Some:
    """Frames as molecules."""
    atoms = np.concatenate([frame.atoms for frame in frames])
    at = 4 if reader.forces is None else 7
    columns = {}
    for place, (name, _) in enumerate(reader.of_molecules):
        columns[name] = np.stack([frame.columns[place] for frame in frames])
    for name, wanted in reader.of_atoms:
        width = prod(wanted.shape)
        columns[name] = atoms[:, at : at + width].reshape(-1, *wanted.shape)
        at += width
    return Some(
        np.array([len(frame.atoms) for frame in frames]),
        atoms[:, 0],
        atoms[:, 1:4],
        None if reader.forces is None else reader.sign * atoms[:, 4:7],
        np.array([frame.energy for frame in frames]),
        np.array([frame.charge for frame in frames]),
        columns=columns,
        **boxes_of(frames),
    )


def boxes_of(frames: list[Frame]) -> dict[str, NDArray[Any]]:
    """Cells and pbc of frames, zeros where one is not periodic; nothing where none is."""
    if all(frame.box is None for frame in frames):
        return {}
    boxes = [frame.box or ((0.0,) * 9, (False,) * 3) for frame in frames]
    cells, pbc = np.array([cell for cell, _ in boxes]), np.array([axes for _, axes in boxes])
    return {"cell": cells.reshape(-1, 3, 3), "pbc": pbc}


class Kind(NamedTuple):
    """What frames have in common, to be told."""

    roles: Roles
    cell: bool  #: that is ignored
    box: bool  #: that is used
    columns: tuple[str, ...]  #: that are ignored


def tell_box(told: Told, roles: Roles, frames: int) -> None:
    """What was used of so many periodic frames."""
    told.use("cell", roles.cells[0], frames)
    if roles.periodic:
        told.use("pbc", roles.periodic[0], frames)
    else:
        told.suppose("no pbc, periodic along all axes", frames)


class Reader:
    """Reads the frames of a file one after the other."""

    def __init__(self, lines: Lines, path: Path, names: Names, told: Told) -> None:
        self.lines, self.path, self.names, self.told = lines, path, names, told
        self.forces, self.sign = names.force("forces")
        self.of_molecules = tuple(each for each in names.columns if each[1].per == "molecule")
        self.of_atoms = tuple(each for each in names.columns if each[1].per == "atom")
        self.frame = 0
        self.kinds: Counter[Kind] = Counter()

    def some(self) -> Iterator[Frame]:
        """The next frames."""
        count = atoms = 0
        while count < FRAMES and atoms < ATOMS:
            first = b""
            while not first.strip():
                if (line := self.lines.take()) is None:
                    return
                first = line
            frame = self.one(first)
            self.frame += 1
            if frame is not None:
                yield frame
                count, atoms = count + 1, atoms + len(frame.atoms)

    def one(self, first: bytes) -> Frame | None:
        """The frame whose first line this is; None: it is left out."""
        text = first[:80].decode(errors="replace").strip()
        if len(first) > 80 or not COUNT.fullmatch(text) or int(text) < 1:
            raise self.bad("no count of atoms", repr(text[:40]), "a whole number from 1")
        count = int(text)
        if 2 * count > self.lines.left:
            raise self.bad("file ends early", f"{self.lines.left} bytes", f"{count} atoms")
        try:
            comment = read_comment((self.lines.take() or b"").decode(errors="replace"))
            if self.leaves_out(comment.values, count):
                return None
            found = find_keys(comment, self.names)
        except WrongLineError as error:
            raise self.bad(error.reason, error.found, error.wanted) from None
        columns = self.columns(comment.values.get("Properties", "species:S:1:pos:R:3"))
        self.count(Kind(found.roles, found.cell, found.box is not None, columns.ignored))
        own = zip(self.of_molecules, found.columns, strict=True)
        values = tuple(
            np.asarray(self.told.label(name, value), np.float64) if isinstance(value, str) else value
            for (name, _), value in own
        )
        return Frame(self.table(count, columns), found.energy, found.charge, values, found.box)

    def leaves_out(self, values: dict[str, str], count: int) -> bool:
        """Whether a frame of so many atoms is one of those to leave out; then its lines are behind us."""
        if self.names.left_out is None or values.get(self.names.left_out[0]) != self.names.left_out[1]:
            return False
        self.told.suppose(f"left out, {'='.join(self.names.left_out)}")
        for atom in range(count):
            if self.lines.take() is None:
                raise self.bad("file ends early", f"{atom} atoms", f"{count} atoms")
        return True

    def columns(self, properties: str) -> Columns:
        """What the lines of atoms hold. Raises DataError."""
        found = find_columns(properties, self.forces, self.of_atoms)
        if not isinstance(found, Columns):
            raise self.bad(found[0], repr(properties[:200]), found[1])
        return found

    def table(self, count: int, columns: Columns) -> NDArray[np.float64]:
        """Number, place and force of each atom, (count, 7)."""
        parts: list[NDArray[np.float64]] = []
        start = 0
        while start < count:
            lines = min(count - start, LINES, self.lines.available())
            if not lines:
                raise self.bad("file ends early", f"{start} atoms", f"{count} atoms")
            parts.append(self.part(lines, columns, (start, count)))
            start += lines
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def part(self, count: int, columns: Columns, atom: tuple[int, int]) -> NDArray[np.float64]:
        """So many lines of atoms; `atom` is the number of the first in its frame, and how many that has."""
        numbers = np.empty((count, columns.fields))
        slow, place = np.empty((numbers.size, 3), np.int64), np.zeros(2, np.int64)
        left = read_table(self.lines.text, self.lines.at, columns.kinds, TABLE, numbers, slow, place)
        if left < 0:
            raise self.bad_atom(left, int(place[0]), int(place[1]), columns, atom)
        for line, field, at in slow[:left].tolist():
            numbers[line, field] = self.slowly(at, line)
        if columns.other >= 0 and (numbers[:, columns.other] != numbers[:, columns.order[0]]).any():
            line = int((numbers[:, columns.other] != numbers[:, columns.order[0]]).argmax())
            self.lines.line += line + 1
            found = f"{numbers[line, columns.order[0]]:g} and {numbers[line, columns.other]:g}"
            raise self.bad("species and Z differ", found, "one element an atom")
        self.lines.skip(count)
        return numbers[:, columns.order]

    def bad_atom(self, why: int, at: int, line: int, columns: Columns, atom: tuple[int, int]) -> DataError:
        """The error for a line that the kernel stopped in."""
        words = self.lines.window[at : at + 200].split(b"\n")[0].decode(errors="replace")
        self.lines.line += line + 1
        reason = {MANY: "too many columns", WORD: "no element"}.get(why, "too few columns")
        wanted = f"atom {atom[0] + line + 1} of {atom[1]}, {len(columns.kinds)} columns"
        if why == WORD:
            place = int((columns.kinds == SYMBOL).argmax())
            reason = fault_of(words.split()[place])
            wanted = f"{wanted}, with a chemical symbol without mass, label or charge"
        return self.bad(reason, repr(words[:60]), wanted)

    def slowly(self, at: int, line: int) -> float:
        """A number that no single operation gives, such as one of 17 digits. Raises DataError."""
        word = self.lines.window[at : at + LONGEST + 1].split(maxsplit=1)[0].decode(errors="replace")
        if len(word) <= LONGEST and NUMERAL.fullmatch(word):
            return float(word)
        self.lines.line += line + 1
        found = repr(word[:60]) + (f"... of more than {LONGEST} characters" if len(word) > LONGEST else "")
        raise self.bad("no number", found, "a number, such as -1.5 or 2e-3")

    def count(self, kind: Kind) -> None:
        """Remember what was used and ignored in a frame."""
        self.kinds[kind] += 1
        if len(self.kinds) > KINDS:
            self.tell()

    def tell(self) -> None:
        """Tell what was used and ignored in the frames since the last time."""
        told = self.told
        for kind, frames in self.kinds.items():
            told.use("energy", self.names.energy or "energy", frames)
            if self.forces is None:
                told.suppose("no forces", frames)
            else:
                told.use("forces" if self.sign > 0 else "gradient, sign turned", self.forces, frames)
            for name, wanted in self.names.columns:
                told.use(f"column {name}", wanted.source, frames)
            if kind.roles.charges:
                told.use("charge", kind.roles.charges[0], frames)
            else:
                told.suppose("no charge, 0 taken", frames)
                alike = [name for name in kind.columns if like_charge(name)]
                if alike and self.names.charge != NONE:
                    words = f"charges of atoms, {alike[0]!r}, are not added up; total charge taken as 0"
                    told.warn(words, frames)
            if kind.cell:
                told.suppose("periodic, cell ignored", frames)
            if kind.box:
                tell_box(told, kind.roles, frames)
            for name in kind.roles.ignored:
                told.ignore(name, frames)
            for name in kind.columns:
                told.ignore(f"column {name}", frames)
        self.kinds.clear()

    def bad(self, reason: str, found: str, wanted: str) -> DataError:
        """The error, with its place."""
        where = f"{self.path}, frame {self.frame}, line {max(self.lines.line, 1)}"
        return DataError(reason, where=where, found=found, wanted=wanted)
