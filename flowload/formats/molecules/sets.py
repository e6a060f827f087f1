"""Several folders of packed molecules as one: equal keys, what a folder lacks masked, and mixed by weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.records import Fields
from flowload.errors import DataError, GraphError
from flowload.files.guard import Guard
from flowload.files.objects.storable import Storable

from .columns.column import Column
from .layouts import LAYOUTS, Array, arrays_of, sized
from .packed import PackedMolecules
from .set_table import SetTable, masks_of
from .table import MoleculeTable

__all__ = ["MoleculeSets"]

ALIKE = ("num_atoms", "pairs", "cutoff", "too_large", "edges", "too_many_edges", "half")


@dataclass(frozen=True)
class MoleculeSets(Storable):
    """Folders of packed molecules as one set: batches hold molecules of all of them, under the same keys.

    Rows are those of the first folder, then those of the second, and so on. What a folder has not (forces, a
    dipole) is zeros in its molecules, and says so: `F_mask [B]`, `dipole_mask [B]`, True where it is there;
    there is such a mask for each array that not all of the folders have. `fl.split(by="molecule")` tells
    molecules by their elements, so that one that is in two folders is on one side; `by="set"` tells folders.

    Args:
        sets: the folders, alike in all but path and `select`.
        weights: how often molecules of each folder come beside those of the others. A pass then has as many
            molecules as before, these shares of each folder: as often as it takes, none once more than
            another of its folder but for some at random, others in each pass. Put `fl.shuffle()` behind.
            None: each molecule once.

    Raises GraphError for sets that differ.

    Examples:
        >>> from flowload.formats.molecules import MoleculeSets, PackedMolecules
        >>> folder = PackedMolecules(sample_path("molecules"), num_atoms=26)
        >>> both = MoleculeSets([folder, folder], weights=(3, 1))
        >>> len(both) == 2 * len(folder)
        True
        >>> with (fl.rows(both) >> fl.shuffle() >> fl.batch(32)).iterate() as batches:
        ...     print(next(batches)["Z"].shape)
        (32, 26)
    """

    sets: Sequence[PackedMolecules]
    weights: Sequence[float] | None = None

    name: ClassVar[str] = "molecules"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = tuple(LAYOUTS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sets", tuple(self.sets))
        if not self.sets or not all(isinstance(each, PackedMolecules) for each in self.sets):
            raise GraphError(f"MoleculeSets: sets are {self.sets!r}; wanted PackedMolecules, one or more")
        first = self.sets[0]
        for each in self.sets:
            for option in ALIKE:
                one, other = getattr(first, option), getattr(each, option)
                if one != other:
                    raise GraphError(
                        f"MoleculeSets: {option} is {one!r} for {first.path} and {other!r} for {each.path};"
                        " wanted the same for all"
                    )
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(self.weights))
            check_weights(self.weights, len(self.sets))

    def arrays(self, layout: str) -> dict[str, Array]:
        """The arrays of a batch, as far as can be told before the folders are opened."""
        return masks_of([arrays_of(layout, each.expected()) for each in self.sets])

    def fields(self, layout: str) -> Fields:
        """In the largest slot; empty without `num_atoms`."""
        most = self.sets[0].slots().most
        return sized(self.arrays(layout), most) if most else {}

    def attending_bytes(self, layout: str, size: int) -> int:
        """Of pair indices that are a batch's own, as far as can be told."""
        return self.sets[0].attending_bytes(layout, size)

    def budget_bytes(self, layout: str, by: str, limit: int) -> int:
        """Bytes at most of a batch of so many slots of atoms; 0 where nobody knows."""
        return max(each.budget_bytes(layout, by, limit) for each in self.sets)

    def writing_bytes(self, layout: str, by: str, limit: int) -> int:
        """Of the set that needs most."""
        return max(each.writing_bytes(layout, by, limit) for each in self.sets)

    def needs(self, layout: str | None) -> Iterator[Need]:
        """The kernels of each folder."""
        for each in self.sets:
            yield from each.needs(layout, among=True)

    def __len__(self) -> int:
        return sum(map(len, self.sets))

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that any of the folders declares, by name: for `Rotated` and `InUnits`.

        Examples:
            >>> from flowload.formats.molecules import MoleculeSets, PackedMolecules
            >>> MoleculeSets([PackedMolecules(sample_path("molecules"))]).columns
            {}
        """
        return {name: column for each in self.sets for name, column in each.columns.items()}

    def sizes(self) -> NDArray[np.int32]:
        """Atoms of every molecule, without a run.

        Examples:
            >>> from flowload.formats.molecules import MoleculeSets, PackedMolecules
            >>> MoleculeSets([PackedMolecules(sample_path("molecules"))] * 2).sizes().shape
            (770,)
        """
        return np.concatenate([each.sizes() for each in self.sets])

    def open(self) -> SetTable:
        """Map and check all. Raises DataError that names the folder, what was found, and what was wanted."""
        return self.opened_here(MoleculeSets.open_folders)

    def open_folders(self) -> SetTable:
        """The same where all of them lie on this machine."""
        guard = Guard()
        tables = [each.opened(guard) for each in self.sets]
        check_columns(tables)
        return SetTable(tables, guard, self.weights)


def check_columns(tables: Sequence[MoleculeTable]) -> None:
    """Raise DataError where two folders have a column of one name that is not the same: another unit, say."""
    known: dict[str, tuple[MoleculeTable, Column]] = {}
    for table in tables:
        for name, column in table.chosen.columns:
            first, other = known.setdefault(name, (table, column))
            if other != column:
                raise DataError(
                    "folders that do not go together",
                    where=f"{table.pack.path}, column {name!r}",
                    found=str(column),
                    wanted=f"that of {first.pack.path}, {other}",
                )


def check_weights(weights: Sequence[float], count: int) -> None:
    """Raise GraphError unless there is one for each set, all finite and above 0."""
    given: Sequence[object] = weights
    numbers = [w for w in given if isinstance(w, int | float) and not isinstance(w, bool)]
    if len(given) != count or len(numbers) != count or not all(0 < w < math.inf for w in numbers):
        raise GraphError(f"MoleculeSets: weights are {weights!r}; wanted {count} numbers above 0")
