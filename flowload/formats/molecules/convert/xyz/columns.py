"""What the lines of atoms of an extended XYZ frame hold, by its `Properties`."""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.formats.molecules.convert.asked import Asked
from flowload.formats.molecules.convert.keys import hint
from flowload.kernels.molecules.text import NUMBER, SKIP, SYMBOL

__all__ = ["Columns", "find_columns"]

MOST = 100_000  #: columns of a line: a claim of more is none
LONGEST = 1 << 20  #: characters of `Properties`
WIDTH = re.compile(r"[0-9]{1,9}", re.ASCII)


class Columns(NamedTuple):
    """The columns that the atom lines of a frame have, by its `Properties`."""

    kinds: NDArray[np.int8]  #: of each column
    fields: int  #: columns that are read
    order: NDArray[np.int64]  #: which of the numbers that are read is atomic number, place, force, and so on
    other: int  #: which of them is the atomic number once more, where there are symbols, too; -1: none
    ignored: tuple[str, ...]  #: names of columns that are skipped
    forces: bool  #: there are three of them behind the place


class Column(NamedTuple):
    """One entry of `Properties`: name, type and number of values."""

    name: str
    letter: str
    width: int


@lru_cache(maxsize=64)
def find_columns(properties: str, forces: str | None, asked: Asked = ()) -> Columns | tuple[str, str]:
    """The columns that a `Properties` value describes; or what is wrong there, and what is wanted.

    Args:
        properties: the value.
        forces: the name of their columns; None: they are not wanted.
        asked: whatever else is, by atom.
    """
    parts = properties.split(":") if len(properties) <= LONGEST else []
    if not parts or len(parts) % 3:
        return "bad Properties", "name:letter:width, and so on"
    described = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    for name, letter, width in described:
        if letter not in ("R", "I", "S", "L") or not WIDTH.fullmatch(width):
            return "bad Properties", f"a letter R, I, S or L and a width for {name[:40]}"
    columns = [Column(name, letter, int(width)) for name, letter, width in described]
    if sum(column.width for column in columns) > MOST:
        return "bad Properties", f"at most {MOST:,} columns"
    return arranged(columns, forces, asked)


def arranged(columns: list[Column], forces: str | None, asked: Asked) -> Columns | tuple[str, str]:
    """Where what is wanted lies among these."""
    wanted = {"species", "Z", "pos", *([] if forces is None else [forces])}
    wanted |= {each.source for _, each in asked}
    kinds: list[int] = []
    places: dict[str, list[int]] = {}
    fields = 0
    for column in columns:
        kind = kind_of(column) if column.name in wanted else SKIP
        if kind != SKIP:
            if column.name in places:
                return "a column comes twice", f"one {column.name}"
            places[column.name] = list(range(fields, fields + column.width))
            fields += column.width
        kinds += [kind] * column.width
    if lack := missing(places, columns, forces, asked):
        return "columns are missing", lack
    elements = [*places.get("species", []), *places.get("Z", [])]
    order = [*elements[:1], *places["pos"], *(places[forces] if forces is not None else [])]
    for _, each in asked:
        order += places[each.source]
    ignored = tuple(dict.fromkeys(column.name for column in columns if column.name not in wanted))
    other = elements[1] if len(elements) > 1 else -1
    return Columns(np.array(kinds, np.int8), fields, np.array(order), other, ignored, forces is not None)


def missing(places: dict[str, list[int]], columns: list[Column], forces: str | None, asked: Asked) -> str:
    """What is wanted and not there in this width, in words; "": all is."""
    widths = {len(places[name]) for name in ("species", "Z") if name in places}
    names = ["pos", *([] if forces is None else [forces])]
    if widths != {1} or any(len(places.get(name, [])) != 3 for name in names):
        way = ""
        if forces is not None and forces not in places:
            way = hint("forces", [column.name for column in columns]) + ", or --forces-key none"
        more = "" if forces is None else f" and {forces}:R:3{way}"
        return f"species:S:1, pos:R:3{more}"
    for name, each in asked:
        if len(places.get(each.source, [])) != prod(each.shape):
            return f"{each.source}:R:{prod(each.shape)}, for the column {name}"
    return ""


def kind_of(column: Column) -> int:
    """How a column that is wanted is read."""
    return SYMBOL if column.name == "species" and column.letter != "I" else NUMBER
