"""Units that are products of others, such as e*angstrom or kcal/mol/angstrom^3, in units of the SI.

Source of the sizes: `convert.units`; the debye is 1e-21 C m^2/s over the speed of light, which is exact.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from flowload.errors import GraphError
from flowload.formats.molecules.convert.units import CHARGE, ENERGIES, LENGTHS

__all__ = ["Measure", "parse_unit", "unit_factor"]

LIGHT = 299_792_458.0  #: m/s

#: Powers of energy, length, charge, time and temperature.
Dimension = tuple[int, int, int, int, int]
ENERGY, LENGTH, PRESSURE = (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (1, -3, 0, 0, 0)

#: Size in J, m, C, s and K, and what they are powers of.
NAMED: dict[str, tuple[float, Dimension]] = {
    **{name: (size, ENERGY) for name, size in ENERGIES.items()},
    **{name: (size, LENGTH) for name, size in LENGTHS.items()},
    "cal/mol": (ENERGIES["kcal/mol"] / 1000, ENERGY),
    "1": (1.0, (0, 0, 0, 0, 0)),
    "e": (CHARGE, (0, 0, 1, 0, 0)),
    "debye": (1e-21 / LIGHT, (0, 1, 1, 0, 0)),
    "V": (1.0, (1, 0, -1, 0, 0)),
    "Pa": (1.0, PRESSURE),
    "GPa": (1e9, PRESSURE),
    "bar": (1e5, PRESSURE),
    "kbar": (1e8, PRESSURE),
    "fs": (1e-15, (0, 0, 0, 1, 0)),
    "GHz": (1e9, (0, 0, 0, -1, 0)),
    "K": (1.0, (0, 0, 0, 0, 1)),
}

#: A sign, a name, and perhaps a power: energies of a mole hold a slash themselves, and come first.
FACTOR = re.compile(r"([*/])\s*(k?cal/mol|kJ/mol|[A-Za-z]+|1)(?:(?:\^|\*\*)(-?[0-9]))?\s*", re.ASCII)


class Measure(NamedTuple):
    """A unit: the named ones that it is a product of, each with its power."""

    factors: tuple[tuple[str, int], ...]

    @property
    def size(self) -> float:
        """In J, m, C, s and K."""
        size = 1.0
        for name, power in self.factors:
            size *= NAMED[name][0] ** power
        return size

    @property
    def dimension(self) -> tuple[int, ...]:
        """What it is powers of."""
        return tuple(sum(NAMED[name][1][k] * power for name, power in self.factors) for k in range(5))

    def replaced(self, energy: str, length: str) -> Measure:
        """The same, with other units in the place of those that are energies or lengths alone."""
        plain = {ENERGY: energy, LENGTH: length}
        return Measure(tuple((plain.get(NAMED[name][1], name), power) for name, power in self.factors))


@lru_cache(maxsize=256)
def parse_unit(unit: str) -> Measure:
    """The unit that a text means. Raises GraphError that lists the known ones."""
    factors, at, text = [], 0, f"*{unit.strip()}"
    while at < len(text):
        found = FACTOR.match(text, at)
        if found is None or found[2] not in NAMED:
            known = ", ".join(NAMED)
            raise GraphError(f"unit {unit!r}: wanted a product of {known}, such as 'eV/angstrom^3'")
        power = int(found[3] or 1)
        factors.append((found[2], -power if found[1] == "/" else power))
        at = found.end()
    return Measure(tuple(factors))


def unit_factor(unit: str, other: str) -> float:
    """What numbers in one unit are multiplied by to be in another. Raises GraphError where they cannot be."""
    one, two = parse_unit(unit), parse_unit(other)
    if one.dimension != two.dimension:
        raise GraphError(f"{unit!r} and {other!r} are units of different things")
    return one.size / two.size
