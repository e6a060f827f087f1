"""What is wrong with a molecule, in words: file, molecule, atom and byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.kernels.molecules.sound import CHARGE, ENERGY, FORCE, NUMBER, POSITION, SIZE

from .files import Pack

__all__ = ["COLUMN", "FLAT", "SIZE", "SMALL", "blame"]

ELEMENTS = 118

#: More reasons: a cell without a volume; one that is tiny beside the cutoff; the first of other columns.
FLAT, SMALL, COLUMN = CHARGE + 1, CHARGE + 2, CHARGE + 3


def blame(pack: Pack, row: int, reason: int, num_atoms: int) -> DataError:
    """The error for a molecule that `find_unsound` found."""
    begin, end = int(pack.offsets[row]), int(pack.offsets[row + 1])
    if reason == SIZE:
        where = f"{pack.path}, molecule {row}"
        found, wanted = f"{end - begin} atoms", f"at most num_atoms={num_atoms}"
        return DataError("too large", where=where, found=found, wanted=wanted)
    if reason == NUMBER:
        numbers = pack.numbers[begin:end]
        atom = int(np.flatnonzero((numbers < 1) | (numbers > ELEMENTS))[0])
        where = f"{pack.path / 'Z_pack.int32'}, molecule {row}, atom {atom}, byte {4 * (begin + atom)}"
        wanted = f"an atomic number from 1 to {ELEMENTS}"
        return DataError("no element", where=where, found=str(numbers[atom]), wanted=wanted)
    if reason in (POSITION, FORCE):
        name, values = ("R_pack.f32", pack.places) if reason == POSITION else ("F_pack.f32", pack.forces)
        place = 3 * begin + first_not_finite(values[3 * begin : 3 * end])
        where = f"{pack.path / name}, molecule {row}, atom {place // 3 - begin}, byte {4 * place}"
        found = f"{'xyz'[place % 3]} = {values[place]}"
        return DataError("not finite", where=where, found=found, wanted="a finite number")
    name, labels = {ENERGY: ("E.f64", pack.energies), CHARGE: ("Qtot.f64", pack.charges)}[reason]
    where = f"{pack.path / name}, molecule {row}, byte {8 * row}"
    return DataError("not finite", where=where, found=str(labels[row]), wanted="a finite number")


def first_not_finite(values: NDArray[Any]) -> int:
    """Where the first NaN or infinity is."""
    return int(np.flatnonzero(~np.isfinite(values))[0])
