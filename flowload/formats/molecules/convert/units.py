"""Units of energy and length, by their definitions and CODATA 2022: factors are derived, none is typed twice.

Source: E. Tiesinga, P. J. Mohr, D. B. Newell, B. N. Taylor, CODATA recommended values of the fundamental
physical constants: 2022. The elementary charge, the Avogadro constant and the calorie are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flowload.errors import GraphError

__all__ = ["ENERGIES", "LENGTHS", "Units", "energy_factor", "length_factor"]

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
