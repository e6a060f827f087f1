"""Columns beside energies and forces that are asked for: what a source calls them, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError
from flowload.formats.molecules.columns.column import Kind

__all__ = [
    "LABEL",
    "UNLABELLED",
    "Array",
    "Asked",
    "Asking",
    "Order",
    "SourceColumn",
    "asked_columns",
    "fitting",
    "parse_column",
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PER = ("molecule", "atom")
LABEL: Literal["label"] = (
    "label"  #: a kind: words of the source, which become numbers; the manifest lists them
)
UNLABELLED = "Default"  #: what stands where a frame has no label, as MACE has it
LARGEST = 1 << 16  #: numbers of one molecule or atom

Array = NDArray[Any]
Order: TypeAlias = Literal["C", "F"]


class SourceColumn(NamedTuple):
    """One column: a name of the source, and what stands behind it; numbers are kept in their unit."""

    source: str
    per: Literal["molecule", "atom"]
    shape: tuple[int, ...] = ()  #: of one molecule's or atom's
    unit: str | None = None  #: as the manifest will say it; no number is changed
    #: How it turns with a molecule: "scalar", "vector", "tensor" ...; None: nobody knows.
    kind: Kind | Literal["label"] | None = None
    dtype: str = "float32"

    def fits(self, count: int, atoms: int) -> list[tuple[int, ...]]:
        """The shapes that the array of so many conformations of so many atoms may have."""
        head = (count,) if self.per == "molecule" else (count, atoms)
        whole = (*head, *self.shape)
        return [whole, (*whole, 1)]

    def rows(self, array: Array) -> Array:
        """An array of these shapes with one row a molecule, or an atom."""
        head = 1 if self.per == "molecule" else 2
        return array.reshape(prod(array.shape[:head]), *self.shape)


Asked: TypeAlias = tuple[tuple[str, SourceColumn], ...]  #: columns by their names in a batch
Asking: TypeAlias = Mapping[str, SourceColumn] | Iterable[str] | str | None  #: as users say it


def asked_columns(asking: Asking, known: Mapping[str, SourceColumn], kind: str | None) -> Asked:
    """The columns that a user asks for. Raises GraphError for what cannot be.

    Args:
        asking: columns by name; or names of those that the kind of source is known to have; or "all" of them.
        known: of this kind of source.
        kind: its name, for messages.
    """
    if asking is None:
        return ()
    if isinstance(asking, Mapping):
        return tuple((name, checked(name, wanted)) for name, wanted in asking.items())
    listed = [asking] if isinstance(asking, str) else list(asking)
    names = list(known) if asking == "all" else listed
    if unknown := [name for name in names if name not in known]:
        said = ", ".join(known) or "none"
        of = "without a kind" if kind is None else f"of the kind {kind!r}"
        raise GraphError(
            f"pack molecules: no column {unknown[0]!r} is known {of} (known: {said}); wanted one of them, or "
            "a column with the name in the source, molecule or atom, and a shape"
        )
    return tuple((name, known[name]) for name in dict.fromkeys(names))


def checked(name: object, wanted: object) -> SourceColumn:
    """One column. Raises GraphError for one that cannot be."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise GraphError(f"pack molecules: a column is called {name!r}; wanted letters, digits and _")
    if not isinstance(wanted, SourceColumn) or wanted.per not in PER or not wanted.source:
        raise GraphError(
            f"pack molecules: column {name!r} is {wanted!r}; wanted SourceColumn(source, per, shape), with "
            "'molecule' or 'atom' as per"
        )
    if any(length < 1 for length in wanted.shape) or prod(wanted.shape) > LARGEST:
        raise GraphError(
            f"pack molecules: column {name!r} has the shape {wanted.shape}; wanted lengths from 1, "
            f"at most {LARGEST:,} numbers"
        )
    return wanted


def parse_column(text: str, known: Mapping[str, SourceColumn], kind: str | None) -> Asked:
    """What `--column` says. Raises GraphError.

    A known name, "all", or `NAME=SOURCE:molecule|atom:SHAPE:UNIT`: SHAPE is such as `3` or `3x3`, UNIT any
    word; both may be left out.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        return asked_columns("all" if text == "all" else [text], known, kind)
    parts = rest.split(":", 3)
    lengths = parts[2].split("x") if len(parts) > 2 and parts[2] else []
    if len(parts) < 2 or not all(length.isascii() and length.isdigit() for length in lengths):
        raise GraphError(
            f"pack molecules: column is {text!r}; wanted NAME=SOURCE:molecule|atom:SHAPE:UNIT, such as "
            "dipole=scf_dipole:molecule:3:e*bohr"
        )
    unit = parts[3] if len(parts) > 3 and parts[3] else None
    shape = tuple(map(int, lengths))
    turning: Literal["scalar"] | None = (
        None if shape else "scalar"
    )  # three numbers may be a vector, or three of anything
    return ((name, checked(name, SourceColumn(parts[0], per_of(parts[1]), shape, unit, turning))),)


def per_of(word: str) -> Literal["molecule", "atom"]:
    """What a column has a row for. Raises GraphError."""
    if word == "molecule":
        return "molecule"
    if word == "atom":
        return "atom"
    raise GraphError(f"pack molecules: a column is by {word!r}; wanted molecule or atom")


def fitting(values: list[float], wanted: SourceColumn, order: Order = "C") -> Array | None:
    """Numbers of a line of text in the shape of a column; None: there are others than so many."""
    if len(values) != prod(wanted.shape):
        return None
    return np.array(values).reshape(wanted.shape, order=order)
