"""Several opened folders of molecules, their rows one behind the other, written to batches together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.record_powers import Demand, Padding
from flowload.abc.records import Numbers
from flowload.errors import GraphError, NoDataError
from flowload.files.guard import Guard

from .layouts import LAYOUTS, Array, arrays_of
from .set_batches import SetBatches
from .table import MoleculeTable

__all__ = ["SetTable", "masks_of"]

THERE = Array(atoms=False, shape=(), dtype=np.dtype(np.bool_))


class SetTable(SetBatches):
    """See `flowload.formats.molecules.sets.MoleculeSets`.

    Args:
        tables: the folders.
        guard: of the files of all.
        weights: see there.
    """

    layouts: Sequence[str] = tuple(LAYOUTS)
    groups: Sequence[str] = ("molecule", "composition", "formula", "set")
    budgets: Sequence[str] = MoleculeTable.budgets

    def __init__(
        self, tables: Sequence[MoleculeTable], guard: Guard, weights: Sequence[float] | None
    ) -> None:
        arrays = {
            layout: masks_of([arrays_of(layout, table.chosen) for table in tables]) for layout in LAYOUTS
        }
        super().__init__(tables, arrays)
        self.guard = guard
        self.weights = weights

    def __len__(self) -> int:
        return int(self.ends[-1])

    def screen(self, rows: Numbers) -> tuple[Numbers, Mapping[str, int]]:
        """The molecules that fit, where those that are too large are dropped."""
        first = self.tables[0]
        if not self.known.sizes or first.too_large != "drop":
            return rows, {}
        fits = self.sizes(rows) <= self.known.most
        return rows[fits], {"too large": len(rows) - int(fits.sum())}

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """The molecules that are sound, in their order; the others are rejected."""
        good = np.ones(len(rows), np.bool_)
        for table, places, own in self.parts(rows):
            why = np.empty(len(own), np.uint8)
            if table.unsound(own, self.known.most, why):
                good[places] = why == 0
                for row, reason in zip(own[why > 0].tolist(), why[why > 0].tolist(), strict=True):
                    call.reject(table.blame(row, reason))
        return rows[good]

    @property
    def weighted(self) -> bool:
        """Whether folders come by weight."""
        return self.weights is not None

    def drawn(self, rows: Numbers, rng: np.random.Generator) -> Numbers:
        """As many rows as these, by the weights of their folders. Raises NoDataError for one without any."""
        owned = [rows[places] for _, places, _ in self.parts(rows)]
        if len(owned) < len(self.tables):
            wanted = "at least one of each folder that has a weight"
            raise NoDataError("no molecules", where="MoleculeSets: weights", found="0 rows", wanted=wanted)
        given = []
        for own, count in zip(owned, shares(self.weights or (), len(rows)), strict=True):
            often, more = divmod(count, len(own))
            some = np.sort(rng.permutation(len(own))[:more])
            given += [np.tile(own, often), own[some]]
        return np.concatenate(given)

    def padding(self, rows: Numbers) -> Padding:
        """Atoms and slots of the batch of these rows."""
        atoms, width = int(self.sizes(rows).sum()), self.slots(rows)
        parts = self.known.parts(np.array([atoms]), np.array([width]), len(rows))
        return Padding(atoms, width * len(rows), parts)

    def padding_of(self, rows: Numbers, whole: NamedArrays) -> Padding:
        """The same, and how full the room for pairs is."""
        found = self.padding(rows)
        return found._replace(parts={**found.parts, **self.room.parts([whole])})

    def demand(self, by: str, rows: Numbers) -> Demand:
        """What each molecule takes of a batch."""
        costs, kinds = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        found = self.tables[0].demand(by, np.empty(0, np.int64))
        for table, places, own in self.parts(rows):
            found = table.demand(by, own)
            costs[places], kinds[places] = found.costs, found.kinds
        return found._replace(costs=costs, kinds=kinds)

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        """A key of the elements of each molecule, in whatever folder; or the number of the folder."""
        if by == "set":
            return np.searchsorted(self.ends, rows, side="right").astype(np.uint64)
        keys = np.empty(len(rows), np.uint64)
        for table, places, own in self.parts(rows):
            keys[places] = table.group("formula", own)
        return keys

    def close(self) -> None:
        """Let go of the files."""
        self.guard.close()


def masks_of(folders: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays that any folder has, and a mask for each that not all have. Raises GraphError."""
    made: dict[str, Array] = {}
    for key in dict.fromkeys(key for folder in folders for key in folder):
        made[key] = next(folder[key] for folder in folders if key in folder)
    missing = [key for key in made if not all(key in folder for folder in folders)]
    for key in missing:
        if f"{key}_mask" in made:
            raise GraphError(f"{key!r} is not in all, and its mask {key}_mask is an array itself")
        made[f"{key}_mask"] = THERE
    return made


def shares(weights: Sequence[float], total: int) -> list[int]:
    """So many in proportion, as whole numbers: the largest remainders are rounded up, of equals the first."""
    exact = [total * weight / sum(weights) for weight in weights]
    whole = [int(part) for part in exact]
    order = sorted(range(len(exact)), key=lambda k: (whole[k] - exact[k], k))
    for k in order[: total - sum(whole)]:
        whole[k] += 1
    return whole
