"""Packed molecules as records for `fl.rows`: one row is one molecule, padded into its batch by one kernel.

Batches of B molecules in A slots, `layout="physnet"`: `Z [B, A] int32`, `R` and `F [B, A, 3] float32`,
`E [B] float64`, `N [B] int32`, `Qtot [B] float64`, `dst_idx` and `src_idx int32`, and `batch_segments [B * A]
int32`. `layout="masked"`: `Z, R, F, E, Qtot`, and `mask [B, A] bool`. Units: Å, kcal/mol, kcal/mol/Å, e.
Columns that the folder's manifest declares come with both layouts, `[B, ...]` or `[B, A, ...]`, under their
names and in their units; `F` and `E` are not there where the folder has none. Behind the atoms all is 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.records import Fields
from flowload.abc.stage import check_flags
from flowload.errors import FlowloadError, GraphError
from flowload.files.guard import Guard
from flowload.files.objects.storable import Storable
from flowload.formats.molecules.sizing.slots import Slots

from .columns.column import Column
from .columns.manifest import STANDARD, Manifest, read_manifest
from .files import open_pack
from .layouts import LAYOUTS, STRUCTURE, Chosen, arrays_of, fields_of
from .needs import table_needs
from .pairs.room import EdgeRoom, TooManyEdges
from .pairs.rule import PairRule, Pairs
from .table import MoleculeTable
from .whole import whole_column

__all__ = ["PackedMolecules"]


@dataclass(frozen=True)
class PackedMolecules(Storable):
    """A folder of packed molecules, memory-mapped: processes on one machine share its pages.

    Opening checks every file's size, dtype and shape, and all offsets. Atomic numbers, positions, forces and
    energies are checked when a batch reads them: what is not finite, or no element, is an error that names
    the molecule, or is skipped and counted where `fl.batch(..., on_error="skip")` says so.

    Args:
        path: the folder; see `flowload.formats.molecules.files`.
        num_atoms: slots that molecules are padded to; several, such as (20, 40, 60): each batch has the
            smallest that holds its largest molecule, so that a compiler meets three shapes; None: as many as
            the largest of each batch has. See `best_slots`.
        pairs: "molecule": the A (A - 1) pairs of the slots of one molecule; "batch": those of each molecule,
            offset by its number times A; "real": of these, only pairs of atoms that are there; "none": no
            `dst_idx` and `src_idx`. All are ordered pairs, sorted by dst, then by src. None: "molecule" for
            the physnet layout, as published loaders give them, and "none" for the masked one.
        cutoff: Å, with pairs="real": only pairs that are closer. Periodic molecules need one: their pairs go
            around, as far as it reaches, and each has a row of `shifts [P, 3] int32`: from atom dst to atom
            src it is `R[src] + shifts @ cell - R[dst]`. They are sorted by dst, src, and shift.
        too_large: what a molecule of more atoms than the largest of `num_atoms` does: "raise", or "drop":
            `fl.rows` leaves it out, before anything is shuffled, shared or cut into batches, and counts it.
        select: which arrays batches have, of "F", "E", "Qtot" and the folder's columns: what is left out is
            not read; None: all. The structure is always there: Z, R, sizes, and cells.
        half: with pairs="real": each pair once, rather than from both of its sides: dst < src, or the first
            number of `shifts` that is not 0 is above it.
        check_values: read everything when it is opened, and raise for the first number that is not as it
            should be; 100 million atoms take seconds.
        edges: with pairs="real": how many pairs each batch has room for, so that a compiler meets few shapes;
            several: the smallest that holds its pairs. Behind them both indices are those of the last slot of
            all, and `edge_mask` is False: mask before anything is computed of a distance, which is 0 there.
        too_many_edges: what a batch of more pairs does: "raise", or "cut": its longest pairs are left out,
            and the molecules that miss some are counted as `missing`. With `fl.batch(on_error="skip")`,
            "raise" drops all of its molecules, and counts them. `fl.batch(edges=)` makes no such batch.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=26))
        >>> with (molecules >> fl.batch(8, layout="masked")).iterate() as batches:
        ...     batch = next(batches)
        >>> {key: batch[key].shape for key in ("Z", "R", "F", "E")}
        {'Z': (8, 26), 'R': (8, 26, 3), 'F': (8, 26, 3), 'E': (8,)}
    """

    path: str | os.PathLike[str]
    num_atoms: int | Sequence[int] | None = None
    pairs: Pairs | None = None
    cutoff: float | None = None
    too_large: Literal["raise", "drop"] = "raise"
    check_values: bool = False
    select: Sequence[str] | None = None
    edges: int | Sequence[int] | None = None
    too_many_edges: TooManyEdges = "raise"
    half: bool = False

    name: ClassVar[str] = "molecules"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = tuple(LAYOUTS)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | os.PathLike):
            raise GraphError(f"PackedMolecules: path is {self.path!r}; wanted a folder")
        slots = self.slots()
        if not isinstance(self.num_atoms, int | None):  # a value that can be compared, whatever was given
            object.__setattr__(self, "num_atoms", slots.sizes)
        if self.too_large not in ("raise", "drop"):
            raise GraphError(f"PackedMolecules: too_large is {self.too_large!r}; wanted 'raise' or 'drop'")
        check_flags("PackedMolecules", check_values=self.check_values)
        if self.select is not None:
            object.__setattr__(self, "select", names_of(self.select))
        room = self.room()
        if not isinstance(self.edges, int | None):
            object.__setattr__(self, "edges", room.slots.sizes)
        for layout in LAYOUTS:
            self.rule(layout)

    def rule(self, layout: str) -> PairRule:
        """Which pairs batches of a layout name. Raises GraphError."""
        return PairRule(LAYOUTS[layout].pairs if self.pairs is None else self.pairs, self.cutoff, self.half)

    def room(self) -> EdgeRoom:
        """Room for pairs. Raises GraphError."""
        return EdgeRoom.of(self.edges, self.too_many_edges, self.pairs)

    def slots(self) -> Slots:
        """What molecules are padded to. Raises GraphError."""
        return Slots.of("PackedMolecules: num_atoms", "atoms", self.num_atoms)

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that the folder's manifest declares, by name. Raises DataError.

        Examples:
            >>> from flowload.formats.molecules import PackedMolecules
            >>> PackedMolecules(sample_path("molecules")).columns
            {}
        """
        with self.here() as here:
            return dict(read_manifest(Path(here.path)).columns)

    def __len__(self) -> int:
        with closing(self.open()) as table:
            return len(table)

    def sizes(self) -> NDArray[np.int32]:
        """Atoms of every molecule, without a run. Raises DataError.

        Examples:
            >>> from flowload.formats.molecules import PackedMolecules
            >>> molecules = PackedMolecules(sample_path("molecules"))
            >>> len(molecules.sizes()) == len(molecules)
            True
            >>> fl.best_slots(molecules.sizes(), 3)
            (9, 17, 26)
        """
        with closing(self.open()) as table:
            return table.sizes(np.arange(len(table)))

    def column(self, name: str) -> NDArray[Any]:
        """All values of one array, without a run, such as "E" (molecules,) or "F" (atoms, 3).

        Args:
            name: "Z", "R", "F", "E", "Qtot", or one of `columns`.

        Raises GraphError for a name that is not there, and DataError.

        Examples:
            >>> from flowload.formats.molecules import PackedMolecules
            >>> PackedMolecules(sample_path("molecules")).column("E").dtype
            dtype('float64')
        """
        with self.here() as here:
            return whole_column(Path(here.path), name)

    def chosen(self, manifest: Manifest) -> Chosen:
        """Which arrays of a folder batches have. Raises GraphError for names that it does not know."""
        known = [*(key for key in ("F", "E") if key not in manifest.without), "Qtot"]
        names = [name for name, _ in manifest.columns]
        wanted = [*known, *names] if self.select is None else [*self.select]
        if odd := [name for name in wanted if name not in (*known, *names)]:
            raise GraphError(
                f"PackedMolecules: select has {odd[0]!r}; {self.path} has {', '.join([*known, *names])}"
            )
        kept = [each for each in manifest.columns if each[0] in (*wanted, *STRUCTURE)]
        return Chosen("F" in wanted, "E" in wanted, "Qtot" in wanted, tuple(kept))

    def expected(self) -> Chosen:
        """Which arrays batches have, as far as can be told before the folder is opened."""
        try:
            return self.chosen(STANDARD if self.stored else read_manifest(Path(self.path)))
        except FlowloadError:
            return self.chosen(STANDARD) if self.select is None else Chosen()

    def fields(self, layout: str) -> Fields:
        """See the module, in the largest slot; empty without `num_atoms`."""
        return {} if self.num_atoms is None else fields_of(layout, self.slots().most, self.expected())

    def attending_bytes(self, layout: str, size: int) -> int:
        """Of pair indices that are a batch's own, as far as can be told."""
        return self.pair_bytes(layout, [(size, self.slots().most)] if self.num_atoms is not None else [])

    def budget_bytes(self, layout: str, by: str, limit: int) -> int:
        """Bytes at most of a batch of so many slots of atoms, and of its own pairs; 0 where nobody knows."""
        if by != "atoms":
            return self.pair_bytes(layout, [])
        widths = self.slots().sizes or (1,)
        counts = {True: limit, False: limit // widths[0]}
        arrays = arrays_of(layout, self.expected()).values()
        own = sum(counts[array.atoms] * prod(array.shape) * array.dtype.itemsize for array in arrays)
        return own + self.pair_bytes(layout, [(limit // width, width) for width in widths])

    def pair_bytes(self, layout: str, shapes: Sequence[tuple[int, int]]) -> int:
        """Bytes at most of the pairs of a batch of one of these molecules and slots, and of room for them."""
        rule, cells = self.rule(layout), self.expected().cells
        own = [rule.own_bytes(molecules, slots, cells=cells) for molecules, slots in shapes]
        return max(own, default=0) + self.room().own_bytes(cells=cells)

    def writing_bytes(self, layout: str, by: str, limit: int) -> int:
        """Of the lists that pairs across cells are found in; of "edges" nobody knows; see `LayoutRecords`."""
        if by == "edges" or (by == "rows" and self.num_atoms is None):
            return 0
        rule, cells = self.rule(layout), self.expected().cells
        if by == "rows":
            return rule.finding_bytes(limit, self.slots().most, cells=cells)
        widths = self.slots().sizes or (1,)
        return max(rule.finding_bytes(limit // width, width, cells=cells) for width in widths)

    def needs(self, layout: str | None, *, among: bool = False) -> Iterator[Need]:
        """The kernels that look at molecules, write them, and name pairs; `among` those of other folders."""
        if layout is not None:
            yield from table_needs(layout, self.slots(), self.rule(layout), self.expected(), among=among)

    def open(self) -> MoleculeTable:
        """Map and check. Raises DataError that names the file, what was found, and what was wanted."""
        return self.opened_here(lambda here: here.opened(None))

    def opened(self, guard: Guard | None) -> MoleculeTable:
        """The same; `guard`: watches the files, and perhaps those of other folders."""
        rules = {layout: self.rule(layout) for layout in LAYOUTS}
        pack = open_pack(Path(self.path), guard)
        table = MoleculeTable(
            pack,
            slots=self.slots(),
            too_large=self.too_large,
            rules=rules,
            chosen=self.chosen(pack.manifest),
            room=self.room(),
        )
        if self.pairs is not None:
            for layout in LAYOUTS:
                table.rule(layout)
        if self.check_values:
            table.check()
        return table


def names_of(select: object) -> tuple[str, ...]:
    """The names that were selected, each once. Raises GraphError."""
    if isinstance(select, str) or not isinstance(select, Iterable):
        raise GraphError(f"PackedMolecules: select is {select!r}; wanted names, or None")
    names = tuple(dict.fromkeys(select))
    if not all(isinstance(name, str) for name in names):
        raise GraphError(f"PackedMolecules: select is {select!r}; wanted names, or None")
    return names
