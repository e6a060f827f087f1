"""QM9 as it is distributed, in its own kind of XYZ: a tar or a folder of files, or all in one.

A molecule of n atoms has n + 5 lines: n · `gdb`, a number and 15 properties · n atoms, each its symbol,
position and Mulliken charge · frequencies · two SMILES · two InChI. Exponents are written `*^`, as in
`1.2*^-6`. There are no forces, and no molecule is charged.

Source: Ramakrishnan, Dral, Rupp, von Lilienfeld, "Quantum chemistry structures and properties of 134 kilo
molecules", Scientific Data 1, 140022 (2014), and the readme beside its data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, GraphError
from flowload.formats.molecules.convert.elements import fault_of
from flowload.formats.molecules.convert.keys import NONE, Names
from flowload.formats.molecules.convert.report import Told
from flowload.formats.molecules.convert.xyz.frame_keys import NUMERAL
from flowload.formats.molecules.convert.xyz.reader import TABLE
from flowload.formats.molecules.write import Some
from flowload.kernels.molecules.text import MANY, NUMBER, SKIP, SYMBOL, WORD, read_table

from .kinds import QM9
from .texts import Text, texts_in

__all__ = ["read_qm9"]

Array = NDArray[Any]

MOLECULES = 4096  #: that are given at a time
ATOMS = 1000  #: of one, at most: those of QM9 have up to 29

SCALARS = tuple(name for name, wanted in QM9.items() if wanted.per == "molecule")
HEAD = np.array([SKIP, NUMBER, *[NUMBER] * len(SCALARS)], np.int8)
BODY = np.array([SYMBOL, *[NUMBER] * 4], np.int8)


class Molecule(NamedTuple):
    """The lines of one molecule that hold numbers, and where it is from."""

    where: str
    head: bytes
    body: bytes
    atoms: int


def read_qm9(
    path: Path, names: Names | None = None, told: Told | None = None
) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with the bytes that were read so far, and those of the source.

    Args:
        path: a tar, compressed or not; a folder of `.xyz` files; or one file.
        names: the energy is one of the set's properties.
        told: is told what was used.

    Raises DataError that names file, molecule and line; GraphError for a property that there is not.
    """
    names, told = names or Names(), told or Told()
    energy = names.energy or "U0"
    if energy not in SCALARS:
        raise GraphError(f"pack molecules: energy_key is {energy!r}; QM9 has {', '.join(SCALARS)}")
    if names.force(NONE)[0] != NONE and names.forces != NONE:
        raise GraphError("pack molecules: QM9 has no forces; forces_key can only be 'none'")
    if names.charge not in (None, NONE):
        raise GraphError("pack molecules: no molecule of QM9 is charged; charge_key can only be 'none'")
    told.say_unit("energy", QM9[energy].unit or "", f"{path}, {energy} by QM9's readme")
    told.say_unit("length", "angstrom", f"{path}, positions by QM9's readme")
    count, waiting = 0, list[Molecule]()
    for text in texts_in(path):
        for molecule in molecules_in(text):
            waiting.append(molecule)
            if len(waiting) == MOLECULES:
                yield some(waiting, energy, names), text.done, text.of
                count, waiting = count + len(waiting), []
    if waiting:
        yield some(waiting, energy, names), text.of, text.of
    tell(told, energy, names, count + len(waiting))


def tell(told: Told, energy: str, names: Names, count: int) -> None:
    """What was used and ignored of so many molecules."""
    told.use("energy", energy, count)
    told.suppose("no forces", count)
    told.suppose("no charge, 0 taken", count)
    for name, wanted in names.columns:
        told.use(f"column {name}", wanted.source, count)
    taken = {energy, *(wanted.source for _, wanted in names.columns)}
    for name in (*QM9, "frequencies", "SMILES", "InChI"):
        if name not in taken:
            told.ignore(name, count)


def molecules_in(text: Text) -> Iterator[Molecule]:
    """The molecules of a file. Raises DataError for lines that are not where they should be."""
    lines = text.data.replace(b"*^", b"e").splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        where = f"{text.where}, line {at + 1}"
        first = lines[at].strip()
        if not first.isdigit() or len(first) > 6 or not 1 <= int(first) <= ATOMS:
            found, wanted = repr(first[:40].decode(errors="replace")), f"a number from 1 to {ATOMS}"
            raise DataError("no count of atoms", where=where, found=found, wanted=wanted)
        atoms = int(first)
        if len(lines) < at + atoms + 5:
            found, wanted = f"{len(lines) - at} lines", f"the {atoms + 5} of {atoms} atoms"
            raise DataError("file ends early", where=where, found=found, wanted=wanted)
        waves = lines[at + 2 + atoms].split()
        few, many = max(0, 3 * atoms - 6), max(0, 3 * atoms - 5)
        if len(waves) not in (few, many):
            raise DataError(
                "no frequencies",
                where=f"{text.where}, line {at + 3 + atoms}",
                found=f"{len(waves)} words",
                wanted=f"{few} or {many}, behind {atoms} atoms",
            )
        body = b"\n".join(lines[at + 2 : at + 2 + atoms]) + b"\n"
        yield Molecule(where, lines[at + 1] + b"\n", body, atoms)
        at += atoms + 5


def some(found: list[Molecule], energy: str, names: Names) -> Some:
    """Molecules, of their lines. Raises DataError."""
    heads = table(b"".join(each.head for each in found), HEAD, found, np.ones(len(found), np.int64))
    sizes = np.array([each.atoms for each in found])
    atoms = table(b"".join(each.body for each in found), BODY, found, sizes)
    columns = {name: heads[:, 1 + place] for place, name in enumerate(SCALARS)}
    columns["mulliken_charges"] = atoms[:, 4]
    return Some(
        sizes,
        atoms[:, 0],
        atoms[:, 1:4],
        None,
        columns[energy],
        groups=heads[:, 0].astype(np.int64),
        columns={name: columns[wanted.source] for name, wanted in names.columns},
    )


def table(text: bytes, kinds: Array, found: list[Molecule], sizes: Array) -> Array:
    """Lines of numbers, so many a molecule. Raises DataError."""
    numbers = np.empty((int(sizes.sum()), int((kinds != SKIP).sum())))
    slow, place = np.empty((numbers.size, 3), np.int64), np.zeros(2, np.int64)
    left = read_table(np.frombuffer(text, np.uint8), 0, kinds, TABLE, numbers, slow, place)
    if left < 0:
        raise bad_line(left, text[int(place[0]) :], int(place[1]), kinds, found, sizes)
    for line, field, at in slow[:left].tolist():
        word = text[at : at + 1000].split(maxsplit=1)[0].decode(errors="replace")
        if not NUMERAL.fullmatch(word):
            where = place_of(line, kinds, found, sizes)
            raise DataError("no number", where=where, found=repr(word[:60]), wanted="a number, or 1.2*^-6")
        numbers[line, field] = float(word)
    return numbers


def bad_line(
    why: int, rest: bytes, line: int, kinds: Array, found: list[Molecule], sizes: Array
) -> DataError:
    """The error for a line that the kernel stopped in."""
    words = rest.split(b"\n", 1)[0].decode(errors="replace")
    reason = {MANY: "too many columns", WORD: "no element"}.get(why, "too few columns")
    if why == WORD:
        reason = fault_of(words.split()[0])
    where = place_of(line, kinds, found, sizes)
    wanted = "gdb, a number and 15 properties"
    if kinds is BODY:
        wanted = "a symbol, three coordinates and a charge"
    return DataError(reason, where=where, found=repr(words[:60]), wanted=wanted)


def place_of(line: int, kinds: Array, found: list[Molecule], sizes: Array) -> str:
    """The molecule, by its first line, and the line behind it."""
    ends = np.cumsum(sizes)
    which = int(np.searchsorted(ends, line, side="right"))
    own = line - int(ends[which] - sizes[which])
    what = f"atom {own}" if kinds is BODY else "properties"
    return f"{found[which].where}, {what}"
