"""Units of energy and length, by their definitions and CODATA 2022: factors are derived, none is typed twice.

Source: E. Tiesinga, P. J. Mohr, D. B. Newell, B. N. Taylor, CODATA recommended values of the fundamental
physical constants: 2022. The elementary charge, the Avogadro constant and the calorie are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flowload.errors import GraphError

__all__ = ["ENERGIES", "LENGTHS", "Units", "energy_factor", "length_factor", "same_unit"]

CHARGE = 1.602176634e-19  #: C, exact
AVOGADRO = 6.02214076e23  #: 1/mol, exact
CALORIE = 4.184  #: J, exact: the thermochemical one
HARTREE = 4.3597447222060e-18  #: J
BOHR = 5.29177210544e-11  #: m

KCAL = 1000 * CALORIE / AVOGADRO  #: J, one molecule's share of a kcal/mol

#: J, one molecule's share.
ENERGIES = {
    "kcal/mol": KCAL,
    "kJ/mol": 1000 / AVOGADRO,
    "eV": CHARGE,
    "meV": CHARGE / 1000,
    "hartree": HARTREE,
    "rydberg": HARTREE / 2,
}

#: m
LENGTHS = {"angstrom": 1e-10, "bohr": BOHR, "nm": 1e-9, "pm": 1e-12}


def energy_factor(unit: str) -> float:
    """kcal/mol in one of these units. Raises GraphError that lists the known ones."""
    return known(ENERGIES, unit, "energy") / KCAL


def length_factor(unit: str) -> float:
    """Å in one of these units. Raises GraphError that lists the known ones."""
    return known(LENGTHS, unit, "length") / LENGTHS["angstrom"]


def known(units: dict[str, float], unit: str, what: str) -> float:
    """The size of a unit."""
    if unit not in units:
        raise GraphError(f"unit of {what} is {unit!r}; wanted one of {', '.join(units)}")
    return units[unit]


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of a data set. Raises GraphError for unknown ones.

    Args:
        energy: of energies, such as "eV".
        length: of positions, such as "angstrom".
        force: of forces: an energy, a slash and a length, such as "eV/angstrom" or "kcal/mol/angstrom"; None:
            where nothing has forces.
    """

    energy: str
    length: str
    force: str | None = None

    def __post_init__(self) -> None:
        self.factors()

    def factors(self) -> tuple[float, float, float]:
        """What energies, positions and forces are multiplied by, to be in kcal/mol, Å and kcal/mol/Å.

        The last is nan where no unit of forces was given.
        """
        if self.force is None:
            return energy_factor(self.energy), length_factor(self.length), math.nan
        energy, slash, length = self.force.rpartition("/")
        if not slash or energy not in ENERGIES or length not in LENGTHS:
            raise GraphError(
                f"unit of force is {self.force!r}; wanted an energy ({', '.join(ENERGIES)}), "
                f"a slash, and a length ({', '.join(LENGTHS)})"
            )
        force = energy_factor(energy) / length_factor(length)
        return energy_factor(self.energy), length_factor(self.length), force


#: As files spell units, without case and blanks; beside our own names.
SPELLINGS = {
    **dict.fromkeys(("ang", "angstroms", "ångström", "å", "a"), "angstrom"),
    **dict.fromkeys(("bohrs", "a0", "a.u.length"), "bohr"),
    **dict.fromkeys(("nanometer", "nanometers"), "nm"),
    **dict.fromkeys(("hartrees", "ha", "eh"), "hartree"),
    **dict.fromkeys(("electronvolt", "electronvolts"), "ev"),
    **dict.fromkeys(("kcalmol-1", "kcal/mole", "kcal.mol-1"), "kcal/mol"),
    **dict.fromkeys(("kjmol-1", "kj/mole"), "kj/mol"),
    **dict.fromkeys(("ry", "rydbergs"), "rydberg"),
}
KNOWN = {unit.lower() for unit in (*ENERGIES, *LENGTHS)}


def same_unit(said: str, unit: str) -> bool | None:
    """Whether a file's word is this unit, an energy, a length or their quotient; None: a word of its own."""
    words = [plain_unit(said), plain_unit(unit)]
    return None if words[0] is None else words[0] == words[1]


def plain_unit(word: str) -> tuple[str, ...] | None:
    """The units that a word consists of; None: one of them is not known."""
    whole = "".join(word.lower().split())
    if (one := SPELLINGS.get(whole, whole)) in KNOWN:
        return (one,)
    above, slash, below = whole.rpartition("/")
    parts = tuple(SPELLINGS.get(part, part) for part in (above, below))
    return parts if slash and all(part in KNOWN for part in parts) else None
