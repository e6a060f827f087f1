"""Extended XYZ: any number of frames, each a count, a line of `key=value`, and a line an atom.

Source: libAtoms/extxyz. A kernel reads the lines of atoms; numbers are the nearest floats, as Python's.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.kernels.text import FEW, MANY, NUMBER, SKIP, SYMBOL, read_table

from .elements import NUMBERS
from .molecules_write import Some

__all__ = ["XyzKeys", "read_xyz"]

FRAMES = 1000  #: that are given at a time

PAIR = re.compile(r'([^\s="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|\{([^}]*)\}|(\[[^\]]*\]|[^\s"]\S*))')

TABLE = np.zeros(1 << 16, np.int16)  #: atomic numbers by the two bytes of a symbol
for symbol, number in NUMBERS.items():
    TABLE[256 * ord(symbol[0]) + (ord(symbol[1]) if len(symbol) > 1 else 0)] = number


class XyzKeys(NamedTuple):
    """What the numbers are called."""

    energy: str = "energy"  #: of the line of keys
    forces: str = "forces"  #: of the columns
    charge: str = "charge"  #: of the line of keys; where a frame has none, it is 0
    ignore_cell: bool = False  #: take periodic frames, too, as if they were not: pairs do not go around


class Frame(NamedTuple):
    """One frame."""

    atoms: NDArray[np.float64]  #: (atoms, 7): number, place, force
    energy: float
    charge: float


def read_xyz(path: Path, keys: XyzKeys | None = None) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with the bytes that were read so far, and those of the file.

    Raises DataError that names file, frame and line.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not size:
                raise NoDataError("no frames", where=str(path), found="an empty file")
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise NoDataError("no such file", where=str(path)) from error
    reader = Reader(text, path, keys or XyzKeys())
    while frames := list(reader.some(FRAMES)):
        yield joined(frames), min(reader.at, size), size


def joined(frames: list[Frame]) -> Some:
    """Frames as molecules."""
    atoms = np.concatenate([frame.atoms for frame in frames])
    return Some(
        np.array([len(frame.atoms) for frame in frames]),
        atoms[:, 0],
        atoms[:, 1:4],
        atoms[:, 4:7],
        np.array([frame.energy for frame in frames]),
        np.array([frame.charge for frame in frames]),
    )


class Reader:
    """Goes through the text of a file."""

    def __init__(self, file: mmap.mmap, path: Path, keys: XyzKeys) -> None:
        self.file, self.path, self.keys = file, path, keys
        self.text = np.frombuffer(file, np.uint8)
        self.at = 0
        self.line = 0  # lines that were read
        self.frame = 0

    def some(self, count: int) -> Iterator[Frame]:
        """The next frames."""
        for _ in range(count):
            first = self.take_line().strip()
            while not first and self.at < len(self.text):
                first = self.take_line().strip()
            if not first:
                return
            yield self.one(first)
            self.frame += 1

    def take_line(self) -> str:
        """The next line."""
        end = self.file.find(b"\n", self.at)
        end = end if end >= 0 else len(self.file)
        line = self.file[self.at : end].decode(errors="replace")
        self.at = end + 1
        self.line += 1
        return line

    def one(self, first: str) -> Frame:
        """The frame whose first line this is."""
        if not first.isdecimal() or int(first) < 1:
            raise self.bad("no count of atoms", repr(first[:40]), "a whole number from 1")
        count = int(first)
        if 2 * count > len(self.text) - self.at:
            raise self.bad("file ends early", f"{len(self.text) - self.at} bytes", f"{count} atoms")
        values = {
            pair[1]: next(filter(None, pair.groups()[1:]), "") for pair in PAIR.finditer(self.take_line())
        }
        if not self.keys.ignore_cell and is_periodic(values):
            raise self.bad(
                "periodic", "a cell", 'pbc="F F F": packed molecules have no cell, so pairs would miss'
            )
        energy = self.number(values, self.keys.energy, None)
        charge = self.number(values, self.keys.charge, 0.0)
        columns = self.columns(values.get("Properties", "species:S:1:pos:R:3"))
        return Frame(self.table(count, columns), energy, charge)

    def number(self, values: dict[str, str], key: str, default: float | None) -> float:
        """The number behind a key. Raises DataError."""
        if key not in values and default is not None:
            return default
        try:
            return float(values[key])
        except KeyError:
            known = ", ".join(values) or "no key=value"
            raise self.bad("no energy", known, f"{key}=...; another key can be named") from None
        except ValueError:
            raise self.bad("no number", f"{key}={values[key]}", "a number") from None

    def columns(self, properties: str) -> Columns:
        """What the lines of atoms hold. Raises DataError."""
        found = find_columns(properties, self.keys.forces)
        if isinstance(found, str):
            raise self.bad("columns are missing", properties, found)
        return found

    def table(self, count: int, columns: Columns) -> NDArray[np.float64]:
        """Number, place and force of each atom, (count, 7)."""
        fields = int((columns.kinds != SKIP).sum())
        numbers = np.empty((count, fields))
        slow, place = np.empty((count * fields, 3), np.int64), np.zeros(2, np.int64)
        left = read_table(self.text, self.at, columns.kinds, TABLE, numbers, slow, place)
        if left < 0:
            self.line += int(place[1]) + 1
            line = self.file[int(place[0]) : int(place[0]) + 60].decode(errors="replace").split("\n")[0]
            why = {FEW: "too few columns", MANY: "too many columns"}.get(left, "no element")
            raise self.bad(
                why, repr(line), f"atom {int(place[1]) + 1} of {count}, {len(columns.kinds)} columns"
            )
        for line_number, field, at in slow[:left].tolist():
            numbers[line_number, field] = self.slowly(at, line_number)
        self.at = int(place[0])
        self.line += count
        return numbers[:, columns.order]

    def slowly(self, at: int, line: int) -> float:
        """A number that no single operation gives, such as one of 17 digits. Raises DataError."""
        word = self.file[at : at + 400].split(maxsplit=1)[0]
        try:
            return float(word)
        except ValueError:
            self.line += line + 1
            raise self.bad("no number", repr(word.decode(errors="replace")), "a number") from None

    def bad(self, reason: str, found: str, wanted: str) -> DataError:
        """The error, with its place."""
        where = f"{self.path}, frame {self.frame}, line {max(self.line, 1)}"
        return DataError(reason, where=where, found=found, wanted=wanted)


class Columns(NamedTuple):
    """What the lines of atoms hold."""

    kinds: NDArray[np.int8]  #: of each column
    order: NDArray[np.int64]  #: (7,): which of the numbers that are read is atomic number, place, force


@lru_cache(maxsize=64)
def find_columns(properties: str, forces: str) -> Columns | str:
    """The columns that a `Properties` value describes; or what is missing there."""
    words = properties.split(":")
    kinds: list[int] = []
    places: dict[str, list[int]] = {}
    for name, letter, count in zip(words[::3], words[1::3], words[2::3], strict=False):
        width = int(count) if count.isdecimal() else 0
        wanted = {"species": SYMBOL, "Z": NUMBER, "pos": NUMBER, forces: NUMBER}.get(name, SKIP)
        kind = NUMBER if wanted == SYMBOL and letter == "I" else wanted
        if kind != SKIP:
            places[name] = list(range(sum(k != SKIP for k in kinds), sum(k != SKIP for k in kinds) + width))
        kinds += [kind] * width
    elements = places.get("species", places.get("Z", []))
    order = [*elements, *places.get("pos", []), *places.get(forces, [])]
    if len(words) % 3 or [len(elements), len(order)] != [1, 7] or len(places.get("pos", [])) != 3:
        return f"species:S:1, pos:R:3 and {forces}:R:3"
    return Columns(np.array(kinds, np.int8), np.array(order))


def is_periodic(values: dict[str, str]) -> bool:
    """Whether a frame is periodic along any axis; with a cell and nothing said it is."""
    if "pbc" in values:
        return any(word in ("T", "True", "1", "true") for word in re.split(r"[\s,\[\]]+", values["pbc"]))
    return "Lattice" in values
