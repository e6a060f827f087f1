"""Cells of a source, and along which axes molecules go on: of arrays, or of a frame's words.

With a cell and nothing said about `pbc`, a molecule goes on along all axes, unless its cell is all zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

from .keys import CELLS, PERIODIC, plain
from .report import Told, shown

__all__ = ["PIECES", "Boxes", "axes_of", "find_boxes"]

Array = NDArray[Any]
Shape = tuple[int, ...]

CELL = "one cell, of three lattice vectors: [n, 3, 3], [n, 9], [3, 3] or [9]"
WAY_OUT = "pbc of zeros, or --ignore-cell"

YES = frozenset({"t", "true", ".true.", "1", "y", "yes", "on"})
NO = frozenset({"f", "false", ".false.", "0", "n", "no", "off"})
PIECES = re.compile(r"[\s,;\[\](){}\"']+")
LONGEST = 1000  #: characters of what says it

#: Bytes that are read at once: of anything, and of cells (15 million molecules have so many).
SMALL, LARGE = 64 << 20, 1 << 30


class Boxes(NamedTuple):
    """The cells of the molecules of a source, in their order."""

    cells: Array  #: (n, 3, 3), in the source's unit
    pbc: Array  #: (n, 3) bool
    keys: tuple[str, ...]  #: what they are called in the source
    supposed: bool  #: nothing said along which axes

    def of(self, begin: int, count: int) -> tuple[Array | None, Array | None]:
        """Cells and pbc of so many molecules; None where none of them is periodic."""
        part = slice(begin, begin + count)
        return (self.cells[part], self.pbc[part]) if self.pbc[part].any() else (None, None)

    def tell(self, told: Told, count: int) -> None:
        """That they were used, of so many molecules or groups."""
        told.use("cell", self.keys[0], count)
        if self.supposed:
            told.suppose("no pbc, periodic along all axes", count)
        else:
            told.use("pbc", self.keys[1], count)


def find_boxes(
    shapes: Mapping[str, Shape],
    read: Callable[[str, int], Array | None],
    count: int,
    where: str,
    *,
    ignore: bool,
) -> tuple[Boxes | None, bool]:
    """The cells among arrays; None: nothing is periodic. And whether it is, but that is to be ignored.

    Args:
        shapes: of all arrays.
        read: gives one of at most so many bytes; None: it has more, or no numbers.
        count: molecules.
        where: for messages.
        ignore: molecules are taken as if they were not periodic.

    Raises DataError for what is not clear.
    """
    said = [key for key in shapes if plain(key) in PERIODIC]
    cells = [key for key in shapes if plain(key) in CELLS]
    if not said and not cells:
        return None, False
    values = {key: read(key, most_bytes(shapes[key], count)) for key in said}
    if said and all(clear(each) and not np.any(each) for each in values.values()):
        return None, False
    if ignore:
        return None, True
    found = ", ".join(map(shown, [*said, *cells]))
    if len(cells) != 1 or len(said) > 1:
        raise DataError("periodic", where=where, found=found, wanted=f"{CELL}, and one pbc; or {WAY_OUT}")
    most = most_bytes(shapes[cells[0]], count)
    vectors = cells_in(read(cells[0], most), shapes[cells[0]], count)
    if vectors is None:
        shape = f"{shown(cells[0])} {list(shapes[cells[0]])}"
        if most == LARGE and 4 * prod(shapes[cells[0]]) > most:
            wanted = f"at most {LARGE:,} bytes of cells: pack it in several parts"
            raise DataError("cells too large", where=where, found=shape, wanted=wanted)
        raise DataError("no cell", where=where, found=shape, wanted=f"numbers, {CELL}; or {WAY_OUT}")
    pbc = (vectors != 0).any(axis=(1, 2))[:, None].repeat(3, axis=1)
    if said:
        pbc = axes_in(values[said[0]], shapes[said[0]], count)
        if pbc is None:
            shape = f"{shown(said[0])} {list(shapes[said[0]])}"
            wanted = f"truths, [n, 3], [n], [3] or one; or {WAY_OUT}"
            raise DataError("unclear pbc", where=where, found=shape, wanted=wanted)
    boxes = Boxes(vectors, pbc, (*cells, *said), not said)
    return (boxes if pbc.any() else None), False


def most_bytes(shape: Shape, count: int) -> int:
    """How much of an array is read at once: one with a line for each molecule grows with their number."""
    return LARGE if shape in ((count, 3, 3), (count, 9), (count, 3), (count,)) else SMALL


def clear(values: Array | None) -> bool:
    """Whether these are truths: of words nobody knows, and numbers other than 0 and 1 are something else."""
    if values is None or values.dtype.kind not in "biuf":
        return False
    return bool(np.isin(values, (0, 1)).all())


def cells_in(values: Array | None, shape: Shape, count: int) -> Array | None:
    """Cells (count, 3, 3); None: these are none."""
    if values is None or values.dtype.kind not in "iuf":
        return None
    if shape in ((3, 3), (9,), (1, 3, 3), (1, 9)):
        return np.broadcast_to(values.reshape(1, 3, 3), (count, 3, 3))
    return values.reshape(count, 3, 3) if shape in ((count, 3, 3), (count, 9)) else None


def axes_in(values: Array | None, shape: Shape, count: int) -> Array | None:
    """Truths (count, 3); None: these are none, or may be of molecules or of axes."""
    if values is None or not clear(values):
        return None
    truths = values.astype(bool)
    if shape == (count, 3):
        return truths.reshape(count, 3)
    alike = bool((truths == truths.reshape(-1)[0]).all()) if truths.size else False
    if shape in ((), (1,)) or (shape == (3,) and (count != 3 or alike)) or shape == (1, 3):
        return np.broadcast_to(truths.reshape(-1), (count, 3))
    if shape in ((count,), (count, 1)) and shape != (3,):
        return np.repeat(truths.reshape(count, 1), 3, axis=1)
    return None


@lru_cache(maxsize=256)
def axes_of(text: str) -> tuple[bool, bool, bool] | None:
    """What a frame's `pbc` says: one truth for all axes, or one for each; None: it is not clear."""
    words = [word for word in PIECES.split(text.lower()) if word] if len(text) <= LONGEST else []
    if len(words) == 1 and re.fullmatch("[tf]{3}", words[0]):
        words = list(words[0])
    truths = [word in YES for word in words if word in YES or word in NO]
    if len(truths) != len(words) or len(words) not in (1, 3):
        return None
    return truths[0], truths[-1 if len(truths) == 1 else 1], truths[-1]
