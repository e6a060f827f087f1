"""What data sets call energies, forces, gradients and charges: what is taken, and what only looks like it.

Energies and forces are taken under one name each: the user's, or the default of the kind of file. A total
charge is taken under the user's name, or else under any of the usual ones. What merely looks like one of
these is never taken: it is told, so that a charge under an unknown name does not become 0 unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from flowload.errors import GraphError

from .asked import Asked

__all__ = ["CELLS", "NONE", "PERIODIC", "SMILES", "Names", "charge_keys", "hint", "like_charge", "plain"]

#: Names, as `plain` makes them, of what says whether a molecule is periodic, and of cells.
PERIODIC = frozenset({"pbc", "periodic", "isperiodic", "periodicboundaryconditions"})
CELLS = frozenset(
    {"lattice", "cell", "unitcell", "supercell", "box", "boxvectors", "cellvectors", "latticevectors"}
)

NONE = "none"  #: as the name of charges: all molecules are neutral, whatever is said; of forces: without
SMILES = "smiles"  #: as the name of charges: the formal charges in a molecule's SMILES are added up

#: Of total charges, without case, `_`, `-` and `.`: the first that is there is taken.
CHARGES = (
    *("charge", "totalcharge", "totcharge", "netcharge", "molecularcharge", "moleculecharge", "molcharge"),
    *("systemcharge", "formalcharge", "totalformalcharge", "qtot", "qtotal", "totalq", "q"),
)

GRADIENT = re.compile(r"grad|deriv|^-?d_?[euv](nergy)?_?/?_?d_?[rxq]")
NEGATED = re.compile(r"neg|minus|^-")
LIKE = {
    "energy": re.compile(r"energ|^e$|^e_?(tot|0|dft)|^u0?$"),
    "forces": re.compile(r"force|^f$"),
}


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the numbers of a source are called; None: as its kind of file does by default.

    Args:
        energy: of energies.
        forces: of forces; "none": they are left out.
        gradient: of gradients dE/dR, which are taken for forces with their sign turned; instead of `forces`.
        charge: of total charges; None: the usual names are tried; "none": all charges are 0.
        ignore_cell: take periodic molecules as if they were not: pairs do not go around.
        columns: whatever else is read, by its name in a batch.
        left_out: a key of frames in XYZ, and the value with which they are left out.

    Raises GraphError for names that cannot be meant.
    """

    energy: str | None = None
    forces: str | None = None
    gradient: str | None = None
    charge: str | None = None
    ignore_cell: bool = False
    columns: Asked = ()
    left_out: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        given: dict[str, object] = {
            "energy_key": self.energy,
            "forces_key": self.forces,
            "gradient_key": self.gradient,
            "charge_key": self.charge,
        }
        for option, name in given.items():
            if name is not None and (not isinstance(name, str) or not name):
                raise GraphError(f"pack molecules: {option} is {name!r}; wanted a name")
        if self.forces is not None and self.gradient is not None:
            raise GraphError("pack molecules: forces_key and gradient_key exclude each other")
        if self.forces is not None and like_gradient(self.forces):
            raise GraphError(
                f"pack molecules: forces_key {self.forces!r} is the name of a gradient, the negative of "
                f"forces; with gradient_key={self.forces!r} its sign is turned"
            )
        names = [name for name in given.values() if name not in (None, NONE)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise GraphError(f"pack molecules: {twice[0]!r} cannot be the name of two things")

    def force(self, default: str) -> tuple[str | None, float]:
        """The name of forces or gradients, and their sign; None: they are not wanted."""
        if self.forces == NONE:
            return None, 1.0
        return (self.gradient, -1.0) if self.gradient is not None else (self.forces or default, 1.0)


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A name without what people write differently."""
    return re.sub(r"[\s_.\-]", "", name.lower())


def like_gradient(name: str) -> bool:
    """Whether a name says that forces have the other sign there."""
    low = name.lower()
    return bool(GRADIENT.search(low)) and not NEGATED.search(low)


def like_charge(name: str) -> bool:
    """Whether a name looks like one of charges."""
    return "charge" in plain(name) or plain(name) in CHARGES


def charge_keys(names: Iterable[str], given: str | None) -> list[str]:
    """The names that total charges are taken from, the first one first."""
    if given is not None:
        return [name for name in names if name == given and given != NONE]
    found = [name for name in names if plain(name) in CHARGES]
    return sorted(found, key=lambda name: (CHARGES.index(plain(name)), name))


def hint(what: str, names: Sequence[str]) -> str:
    """Which names look like energies or forces, as a way out for a message; "" where none does."""
    gradients = [name for name in names if like_gradient(name)]
    alike = [name for name in names if LIKE[what].search(name.lower()) and name not in gradients]
    ways = [f"--{what}-key {name}" for name in alike]
    if what == "forces":
        ways += [f"--gradient-key {name}" for name in gradients]
    return f", or {' or '.join(ways[:3])}" if ways else ""
