"""The cells of a folder's molecules: those of a batch, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import NamedArrays
from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.formats.molecules.files import Pack
from flowload.formats.molecules.validate import FLAT, SMALL
from flowload.kernels.molecules.lattice import IMAGES, find_bad_cells

__all__ = ["Box", "Cells", "cell_needs"]


class Box(NamedTuple):
    """The cells of the molecules of a batch."""

    cells: NDArray[Any]  #: (molecules, 3, 3) lattice vectors as rows, in Å
    pbc: NDArray[np.bool_]  #: (molecules, 3)
    rows: Numbers  #: for messages
    places_of: Callable[[int], str]  #: where the positions of a row lie

    def outside(self, place: int) -> DataError:
        """The error for a molecule of the batch that has an atom too far outside of its cell."""
        where = self.places_of(int(self.rows[place]))
        return DataError("outside", where=where, found="an atom a billion cells away", wanted="one nearer")


class Cells:
    """The cells of an opened folder.

    Args:
        pack: the folder.
        cutoff: of pairs in Å; 0: there are none.
    """

    def __init__(self, pack: Pack, cutoff: float) -> None:
        self.pack, self.cutoff = pack, cutoff
        self.there = pack.manifest.periodic
        self.cells = pack.columns["cell"].reshape(-1, 3, 3) if self.there else np.empty((0, 3, 3))
        self.pbc = pack.columns["pbc"].reshape(-1, 3) if self.there else np.empty((0, 3), np.bool_)
        with pack.guard:
            self.periodic = bool(self.pbc.any())  #: whether a molecule goes on along an axis

    def bad(self, rows: Numbers, why: NDArray[np.uint8]) -> int:
        """Write why molecules cannot be delivered that had no reason yet; how many they are.

        Their `pbc` was looked at before.
        """
        if not self.there:
            return 0
        return find_bad_cells(*self.of(rows), self.cutoff, why, FLAT, SMALL)

    def of(self, rows: Numbers) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Cells (n, 3, 3) and pbc (n, 3) of molecules, as kernels take them."""
        return self.cells[rows].astype(np.float64), np.ascontiguousarray(self.pbc[rows])

    def box(self, arrays: NamedArrays, rows: Numbers) -> Box | None:
        """The cells of a batch of these rows; None where the folder has none."""
        return Box(arrays["cell"], arrays["pbc"], rows, self.places_of) if self.there else None

    def places_of(self, row: int) -> str:
        """Where the positions of a molecule lie."""
        return f"{self.pack.path / 'R_pack.f32'}, molecule {row}"

    def blame(self, row: int, reason: int) -> DataError:
        """The error for a molecule that `bad` found."""
        name = dict(self.pack.manifest.columns)["cell"].file("cell")
        where = f"{self.pack.path / name}, molecule {row}"
        found = f"{self.cells[row].tolist()} with pbc {self.pbc[row].tolist()}"
        if reason == FLAT:
            wanted = "lattice vectors with a volume, as long as pbc has them"
            return DataError("flat cell", where=where, found=found, wanted=wanted)
        wanted = f"at most {IMAGES:,} cells within the cutoff of {self.cutoff:g} Å"
        return DataError("tiny cell", where=where, found=found, wanted=wanted)


def cell_needs() -> Iterator[Need]:
    """The kernel that looks at cells."""
    pbc = np.empty((2, 3), np.bool_)
    yield find_bad_cells, (np.empty((2, 3, 3)), pbc, 0.0, np.empty(2, np.uint8), 0, 0)
