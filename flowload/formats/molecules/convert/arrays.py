"""Which named arrays of a source are energies, forces and charges: of an archive, or of a group in HDF5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

from .asked import Asked
from .boxes import Boxes
from .keys import CELLS, NONE, PERIODIC, Names, charge_keys, hint, like_charge, plain
from .report import Told, shown

__all__ = ["Picked", "pick_arrays", "tell_meaning", "tell_picked", "total_charges"]

Array = NDArray[Any]
Shape = tuple[int, ...]


class Picked(NamedTuple):
    """The names of what is read, and what becomes of the others."""

    energy: str
    forces: str | None  #: None: they are not wanted
    sign: float  #: -1: these are gradients
    charges: tuple[str, ...]  #: total charges under usual names; several must agree
    suspects: tuple[str, ...]  #: that may be total charges, and must be 0
    others: tuple[str, ...]  #: that look like charges, but have no number a molecule
    ignored: tuple[str, ...]
    cell: bool  #: it is periodic, and that is ignored
    columns: Asked = ()  #: whatever else is asked for
    boxes: Boxes | None = None  #: of what is periodic

    @property
    def keys(self) -> tuple[str, ...]:
        """Of arrays that are read, beside the fixed ones."""
        forces = () if self.forces is None else (self.forces,)
        columns = [wanted.source for _, wanted in self.columns]
        return tuple(dict.fromkeys((self.energy, *forces, *self.charges, *self.suspects, *columns)))

    def shapes(self, key: str, count: int, atoms: int) -> list[Shape]:
        """The shapes that an array of this kind may have."""
        if key == self.forces:
            return [(count, atoms, 3)]
        if key == self.energy:
            return [(count,), (count, 1)]
        if key in (*self.charges, *self.suspects):
            return totals(count)
        fits = [wanted.fits(count, atoms) for _, wanted in self.columns if wanted.source == key]
        return [shape for shape in fits[0] if all(shape in other for other in fits)]

    def forces_of(self, read: Mapping[str, Array]) -> Array | None:
        """Forces, one row an atom, in their own sign; None: there are none."""
        return None if self.forces is None else self.sign * read[self.forces].reshape(-1, 3)

    def box(self, begin: int, count: int) -> dict[str, Array | None]:
        """Cells and pbc of so many molecules, as `Some` has them."""
        cell, pbc = (None, None) if self.boxes is None else self.boxes.of(begin, count)
        return {"cell": cell, "pbc": pbc}

    def columns_of(self, read: Mapping[str, Array]) -> dict[str, Array]:
        """What else is asked for, one row a molecule or an atom."""
        return {name: wanted.rows(read[wanted.source]) for name, wanted in self.columns}


def totals(count: int) -> list[Shape]:
    """Shapes of one number a molecule, or of one for all of them."""
    return [(count,), (count, 1), (), (1,)]


def pick_arrays(
    shapes: Mapping[str, Shape],
    box: tuple[int, int],
    names: Names,
    fixed: Sequence[str],
    defaults: tuple[str, str],
    where: str,
) -> Picked:
    """Which arrays to read.

    Args:
        shapes: of all that there are.
        box: molecules, and slots of atoms.
        names: that the user gave.
        fixed: those of sizes, elements and positions.
        defaults: of energies and forces.
        where: for messages.

    Raises DataError for what is missing.
    """
    energy = names.energy or defaults[0]
    forces, sign = names.force(defaults[1])
    known = list(shapes)
    wanted = [energy, *([] if forces is None else [forces]), *(each.source for _, each in names.columns)]
    if missing := [key for key in wanted if key not in shapes]:
        ways = hint("energy", known) if energy in missing else ""
        ways += (hint("forces", known) + ", or --forces-key none") if forces in missing else ""
        found = ", ".join(map(shown, sorted(known)[:40]))
        raise DataError("arrays are missing", where=where, found=found, wanted=", ".join(missing) + ways)
    free = [key for key in known if key not in (energy, forces, *fixed)]
    columns = {each.source for _, each in names.columns}
    if names.charge not in (None, NONE) and names.charge not in free:
        found = ", ".join(map(shown, sorted(known)[:40]))
        raise DataError("no charge", where=where, found=found, wanted=str(names.charge))
    asked = names.charge is not None
    fits = totals(box[0])
    charges = tuple(key for key in charge_keys(free, names.charge) if asked or shapes[key] in fits)
    alike = [key for key in free if like_charge(key) and key not in (*charges, *columns)]
    suspects = [] if charges or asked else [key for key in alike if shapes[key] in fits]
    others = [key for key in alike if key not in suspects]
    taken = (*charges, *columns)
    ignored = tuple(key for key in free if key not in taken and plain(key) not in (*CELLS, *PERIODIC))
    return Picked(
        energy, forces, sign, charges, tuple(suspects), tuple(others), ignored, False, names.columns
    )


def tell_meaning(key: str, count: int, where: str) -> DataError:
    """The error where nobody can tell whether a charge is one of an atom or of a conformation."""
    found = f"{count} numbers, of as many conformations of as many atoms"
    wanted = f"--charge-key {shown(key)} for charges of conformations, or none"
    return DataError("what may be a charge", where=f"{where}/{shown(key)}", found=found, wanted=wanted)


def total_charges(arrays: Mapping[str, Array], picked: Picked, count: int, where: str) -> Array | None:
    """Of some molecules; None: all are 0. Raises DataError for charges that differ, or may be meant."""
    for key in picked.suspects:
        if arrays[key].any():
            found = f"{shown(key)} = {arrays[key].reshape(-1)[arrays[key].reshape(-1) != 0][0]}"
            wanted = f"--charge-key {shown(key)}, or none if it is no total charge"
            raise DataError("what may be a charge", where=where, found=found, wanted=wanted)
    if not picked.charges:
        return None
    found_charges = [np.broadcast_to(arrays[key].reshape(-1), (count,)) for key in picked.charges]
    for key, other in zip(picked.charges[1:], found_charges[1:], strict=True):
        if not np.array_equal(other, found_charges[0], equal_nan=True):
            first = picked.charges[0]
            found, wanted = f"{shown(first)} and {shown(key)}", f"one, or --charge-key {shown(first)}"
            raise DataError("charges that differ", where=where, found=found, wanted=wanted)
    return found_charges[0]


def tell_picked(told: Told, picked: Picked, count: int, names: Names, charge: str | None = None) -> None:
    """What was used and ignored for so many molecules or groups; `charge`: where charges are from else."""
    told.use("energy", picked.energy, count)
    if picked.forces is None:
        told.suppose("no forces", count)
    else:
        told.use("forces" if picked.sign > 0 else "gradient, sign turned", picked.forces, count)
    for name, wanted in picked.columns:
        told.use(f"column {name}", wanted.source, count)
    if picked.charges or charge is not None:
        told.use("charge", charge or picked.charges[0], count)
    else:
        told.suppose("no charge, 0 taken", count)
        if picked.others and names.charge is None:
            told.warn(f"{picked.others[0]!r} is no number a molecule; total charge taken as 0", count)
    if picked.boxes is not None:
        picked.boxes.tell(told, count)
    if picked.cell:
        told.suppose("periodic, cell ignored", count)
    for key in (*picked.charges[1:], *(name for name in picked.ignored if name != charge)):
        told.ignore(key, count)
