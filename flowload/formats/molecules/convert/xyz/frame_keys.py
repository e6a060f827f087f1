"""What the keys of an extended XYZ frame say: its energy, its total charge, and whether it is periodic."""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from typing import NamedTuple, TypeAlias

from flowload.formats.molecules.convert.asked import LABEL, UNLABELLED, Array, Order, SourceColumn, fitting
from flowload.formats.molecules.convert.boxes import PIECES, axes_of
from flowload.formats.molecules.convert.keys import (
    CELLS,
    NONE,
    PERIODIC,
    Names,
    charge_keys,
    hint,
    like_charge,
    plain,
)
from flowload.formats.molecules.convert.report import shown

from .comment import Comment, WrongLineError, says_no

__all__ = ["NUMERAL", "Found", "find_keys"]

DIGITS = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
#: Numbers as they are spelled everywhere: not `1_0`, not in the digits of other scripts.
NUMERAL = re.compile(rf"{DIGITS}|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
BRACKETS = re.compile(r"[\[\],]")
BY_COLUMNS = ("stress", "virial")  #: whose nine numbers are columns one behind the other, as ASE has it
LONGEST = 1000  #: characters of a number

WAY_OUT = 'pbc="F F F", or --ignore-cell'

#: Lattice vectors, one behind the other, and along which of them a frame goes on.
Box: TypeAlias = tuple[tuple[float, ...], tuple[bool, bool, bool]]


class Found(NamedTuple):
    """Energy, charge and periodicity of a frame, as its keys gave them."""

    energy: float
    charge: float
    roles: Roles
    cell: bool  #: it is periodic, and that was to be ignored
    box: Box | None  #: of a periodic frame
    columns: tuple[Array | str, ...]  #: whatever else is asked for of a molecule; text of labels


class Roles(NamedTuple):
    """What keys of these names are for."""

    periodic: tuple[str, ...]
    cells: tuple[str, ...]
    charges: tuple[str, ...]  #: that a total charge is taken from; the first one
    suspects: tuple[str, ...]  #: that look like charges, and are not taken
    ignored: tuple[str, ...]


@lru_cache(maxsize=256)
def roles_of(keys: tuple[str, ...], names: Names, energy: str) -> Roles:
    """Sort keys by what they are for."""
    charges = tuple(charge_keys(keys, names.charge))
    cells = tuple(key for key in keys if plain(key) in CELLS)
    periodic = tuple(key for key in keys if plain(key) in PERIODIC)
    asked = [each.source for _, each in names.columns]
    suspects = tuple(key for key in keys if like_charge(key) and key not in (*charges, *asked))
    columns = {each.source for _, each in names.columns if each.per == "molecule"}
    known = {energy, "Properties", *charges[:1], *cells, *periodic, *columns}
    return Roles(periodic, cells, charges, suspects, tuple(key for key in keys if key not in known))


def find_keys(comment: Comment, names: Names) -> Found:
    """What a frame's keys say. Raises WrongLineError."""
    values, energy = comment.values, names.energy or "energy"
    roles = roles_of(tuple(values), names, energy)
    sources = {each.source for _, each in names.columns if each.per == "molecule"}
    asked = {energy, "Properties", *sources, *roles.charges, *roles.cells, *roles.periodic}
    if both := sorted(comment.twice & asked):
        raise WrongLineError("a key comes twice", shown(both[0]), "one value")
    cell = bool(roles.periodic or roles.cells) and is_periodic(values, roles)
    box = find_box(values, roles) if cell and not names.ignore_cell else None
    if energy not in values:
        known = ", ".join(map(shown, list(values)[:40])) or "no key=value"
        way = hint("energy", list(values)) or "; another key can be named"
        raise WrongLineError("no energy", known, f"{energy}=...{way}")
    columns = tuple(find_column(values, *asked) for asked in names.columns if asked[1].per == "molecule")
    return Found(
        number(values, energy), find_charge(values, names, roles), roles, cell and box is None, box, columns
    )


def find_column(values: dict[str, str], name: str, wanted: SourceColumn) -> Array | str:
    """The numbers, or the label, that a frame's column consists of. Raises WrongLineError."""
    if wanted.kind == LABEL:
        return values.get(wanted.source, UNLABELLED)
    if wanted.source not in values:
        known = ", ".join(map(shown, list(values)[:40]))
        raise WrongLineError("no value of a column", known, f"{wanted.source}=..., for the column {name}")
    text = values[wanted.source].removeprefix("_JSON").strip()
    words = BRACKETS.sub(" ", text).split()
    by_columns = wanted.source in BY_COLUMNS and not text.startswith("[")
    order: Order = "F" if by_columns and wanted.shape == (3, 3) else "C"
    found = fitting([float(word) for word in words], wanted, order) if all(map(is_numeral, words)) else None
    if found is None:
        wide = f"{prod(wanted.shape)} numbers, for the column {name}"
        raise WrongLineError("bad value of a column", f"{wanted.source}={values[wanted.source][:60]!r}", wide)
    return found


def is_periodic(values: dict[str, str], roles: Roles) -> bool:
    """Whether a frame is periodic along any axis; with a cell and nothing said it is."""
    if roles.periodic:
        return not all(says_no(values[key]) for key in roles.periodic)
    return bool(roles.cells)


def find_box(values: dict[str, str], roles: Roles) -> Box | None:
    """The cell of a frame that is periodic; None: along no axis after all. Raises WrongLineError."""
    axes = {axes_of(values[key]) for key in roles.periodic} or {(True, True, True)}
    said = ", ".join(f"{shown(key)}={values[key][:60]!r}" for key in (*roles.periodic, *roles.cells))
    pbc = axes.pop()
    if pbc is None or axes:
        reason = "unclear pbc" if pbc is None else "pbc that differ"
        raise WrongLineError(reason, said, f"one T or F, or three; {WAY_OUT}")
    cells = {vectors_of(values[key]) for key in roles.cells} or {None}
    vectors = cells.pop()
    if vectors is None or cells:
        wanted = f'one cell, Lattice="..." of nine numbers, vector by vector; or {WAY_OUT}'
        raise WrongLineError("cells that differ" if cells else "no cell", said, wanted)
    return vectors, pbc


@lru_cache(maxsize=4096)
def vectors_of(text: str) -> tuple[float, ...] | None:
    """The nine numbers of a cell; None: it is something else."""
    words = [word for word in PIECES.split(text) if word] if len(text) <= LONGEST else []
    return tuple(map(float, words)) if len(words) == 9 and all(map(is_numeral, words)) else None


def find_charge(values: dict[str, str], names: Names, roles: Roles) -> float:
    """The total charge; 0 where no key looks like one."""
    if names.charge not in (None, NONE) and not roles.charges:
        known = ", ".join(map(shown, list(values)[:40]))
        raise WrongLineError("no charge", known, f"{names.charge}=...")
    if not roles.charges:
        if names.charge is None:
            check_suspects(values, roles)
        return 0.0
    charges = [number(values, key, ", or --charge-key none") for key in roles.charges]
    if any(charge != charges[0] for charge in charges[1:]):
        found = ", ".join(f"{shown(key)}={values[key][:40]}" for key in roles.charges)
        raise WrongLineError("charges that differ", found, f"one, or --charge-key {roles.charges[0]}")
    return charges[0]


def check_suspects(values: dict[str, str], roles: Roles) -> None:
    """Raise WrongLineError for a number that may be a charge, where it would be taken for 0."""
    for key in roles.suspects:
        if is_numeral(values[key]) and float(values[key]) != 0:
            found = f"{shown(key)}={values[key][:40]}"
            raise WrongLineError(
                "what may be a charge", found, f"--charge-key {shown(key)}, or none if it is no total charge"
            )


def number(values: dict[str, str], key: str, way: str = "") -> float:
    """The number behind a key; `way` is another way out, for the message."""
    value = values[key].strip()
    if not is_numeral(value):
        raise WrongLineError("no number", f"{shown(key)}={shown(values[key])}", f"a number{way}")
    return float(value)


def is_numeral(value: str) -> bool:
    """Whether this is how a number is spelled."""
    return len(value) <= LONGEST and NUMERAL.fullmatch(value) is not None
