"""The total charge that a SMILES says: the sum of the formal charges, which stand in brackets."""

from __future__ import annotations

import re

from flowload.errors import DataError

__all__ = ["smiles_charge"]

LONGEST = 1 << 20  #: characters
BRACKET = re.compile(r"\[([^\[\]]*+)\]")
#: `[NH4+:1]`, `[O-]`, `[Ca++]`, `[Fe+3]`: a charge is the last thing in a bracket but for the atom's number.
CHARGE = re.compile(r"(?:(\+\+*+|--*+)|([+-])([0-9]{1,2}))(?::[0-9]{1,9})?", re.ASCII)
#: Isotope, symbol, chirality and hydrogens, before the charge.
ATOM = re.compile(
    r"[0-9]{0,3}(?:[A-Z][a-z]?|[a-z][a-z]?|\*)(?:@{1,2}(?:[A-Z]{2}[0-9]{1,2})?)?(?:H[0-9]?)?", re.ASCII
)
REST = re.compile(r"(?::[0-9]{1,9})?", re.ASCII)


def smiles_charge(smiles: str, where: str) -> int:
    """The total charge in e. Raises DataError for what is no SMILES as far as brackets go."""
    if len(smiles) > LONGEST or not smiles.strip():
        raise DataError("no SMILES", where=where, found=repr(smiles[:60]), wanted="at least one atom")
    left = BRACKET.sub("", smiles)
    if "[" in left or "]" in left:
        raise DataError("no SMILES", where=where, found=repr(smiles[:60]), wanted="brackets in pairs")
    return sum(bracket_charge(bracket[1], where) for bracket in BRACKET.finditer(smiles))


def bracket_charge(inside: str, where: str) -> int:
    """The formal charge of one atom. Raises DataError."""
    atom = ATOM.match(inside)
    rest = inside[atom.end() :] if atom else inside
    charge = CHARGE.fullmatch(rest)
    if atom is None or (charge is None and not REST.fullmatch(rest)):
        wanted = "an atom such as [NH4+:1]"
        raise DataError("no SMILES", where=where, found=f"[{inside[:40]}]", wanted=wanted)
    if charge is None:
        return 0
    signs, sign, number = charge.groups()
    if signs:
        return len(signs) if signs[0] == "+" else -len(signs)
    return int(number) if sign == "+" else -int(number)
