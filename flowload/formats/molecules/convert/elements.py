"""Chemical symbols of data sets, and why something is none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.formats.molecules.symbols import NUMBERS

__all__ = ["atomic_numbers", "fault_of"]

ISOTOPE = re.compile(r"D|T|[0-9]{1,3}-?[A-Z][a-z]?|[A-Z][a-z]?-[0-9]{1,3}")


def fault_of(symbol: str) -> str:
    """In a word, why this is no symbol of an element."""
    return "isotope" if ISOTOPE.fullmatch(symbol) else "no element"


def atomic_numbers(species: NDArray[Any], where: str) -> NDArray[Any]:
    """Atomic numbers of symbols or numbers, in the same shape. Raises DataError for what is no element.

    Numbers may be fractional or out of range: that is found, and counted, where molecules are written; but 0
    is what indices of kinds begin with, and they would make other elements of all atoms.
    """
    if species.dtype.kind in "iuf":
        if (species == 0).any():
            wanted = "atomic numbers from 1, rather than indices of kinds or padding"
            raise DataError("no element", where=where, found="0", wanted=wanted)
        return species
    symbols = [as_text(symbol) for symbol in species.reshape(-1).tolist()]
    if unknown := [symbol for symbol in symbols if symbol not in NUMBERS]:
        found, wanted = repr(unknown[0][:40]), "a chemical symbol, without mass, label or charge"
        raise DataError(fault_of(unknown[0]), where=where, found=found, wanted=wanted)
    return np.array([NUMBERS[symbol] for symbol in symbols], np.int64).reshape(species.shape)


def as_text(symbol: object) -> str:
    """A symbol from a file, without the blanks that fill its field."""
    text = symbol.decode(errors="replace") if isinstance(symbol, bytes) else str(symbol)
    return text.strip(" \0")
