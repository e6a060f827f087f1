"""How large the molecules of a folder are, what they take of a batch, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays
from flowload.abc.record_powers import Demand, Padding
from flowload.abc.records import Numbers
from flowload.formats.molecules.columns.cells import Cells
from flowload.formats.molecules.files import Pack
from flowload.formats.molecules.pairs.room import EdgeRoom
from flowload.formats.molecules.pairs.rule import PairRule
from flowload.kernels.molecules.composition import composition_keys
from flowload.kernels.molecules.count import count_within
from flowload.kernels.molecules.images import count_images
from flowload.kernels.molecules.pad import take_sizes
from flowload.kernels.molecules.ragged import count_places, largest, longest

from .slots import Slots, slots_taken

__all__ = ["MoleculeSizes"]

GO_ON = np.zeros(1, np.uint8)  #: nobody stops what is counted: a part takes far less than a second
PART = 1 << 14  #: molecules that are counted in one call


class MoleculeSizes:
    """What is known of molecules by their offsets: see `Sized`, `Budgeted` and `Grouped`.

    Args:
        pack: the folder.
        slots: what batches are padded to.
        room: for their pairs.
        rule: which pairs there are.
        cells: of molecules that have some.
    """

    groups: Sequence[str] = ("molecule", "composition", "formula")
    budgets: Sequence[str] = ("atoms", "edges")

    def __init__(self, pack: Pack, slots: Slots, room: EdgeRoom, rule: PairRule, cells: Cells) -> None:
        self.pack = pack
        self.known = slots
        self.room = room
        self.counts = rule
        self.cells = cells

    @cached_property
    def longest(self) -> int:
        """Atoms of the largest molecule of all."""
        return longest(self.pack.offsets)

    def slots(self, rows: Numbers) -> int:
        """What the batch of these molecules is padded to."""
        return self.known.most if self.known.fixed else self.known.fit(largest(self.pack.offsets, rows))

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        """Atoms of each molecule, int64 (n,)."""
        sizes = np.empty(len(rows), np.int32)
        take_sizes(self.pack.offsets, rows, sizes)
        return sizes

    def padding(self, rows: Numbers) -> Padding:
        """Atoms and slots of the batch of these rows: how full padded batches are."""
        atoms, width = count_places(self.pack.offsets, rows), self.slots(rows)
        parts = self.known.parts(np.array([atoms]), np.array([width]), len(rows))
        return Padding(atoms, width * len(rows), parts)

    def padding_of(self, rows: Numbers, whole: NamedArrays) -> Padding:
        """The same, and how full the room for pairs is."""
        found = self.padding(rows)
        return found._replace(parts={**found.parts, **self.room.parts([whole])})

    def demand(self, by: str, rows: Numbers) -> Demand:
        """What each molecule takes of a batch: slots of atoms, or pairs; one without any counts as one."""
        slots = slots_taken(self.known, self.sizes(rows))
        if by == "atoms":
            return slots
        return Demand(np.maximum(self.pair_counts(rows), 1), slots.kinds, padded=False)

    def pair_counts(self, rows: Numbers) -> NDArray[np.int64]:
        """Pairs of atoms of each molecule, closer than the cutoff where there is one; each is counted once.

        What was counted is kept, 4 bytes a molecule: positions are read for it.
        """
        if self.counts.cutoff is None:
            sizes = self.sizes(rows).astype(np.int64)
            return sizes * (sizes - 1) // (2 if self.counts.half else 1)
        unknown = np.unique(rows[self.counted[rows] < 0])
        for start in range(0, len(unknown), PART):
            part = unknown[start : start + PART]
            with self.pack.guard:
                self.counted[part] = self.count(part, float(self.counts.cutoff))
        return self.counted[rows].astype(np.int64)

    def count(self, rows: Numbers, cutoff: float) -> NDArray[np.int64]:
        """Pairs of each molecule; none of one whose cell cannot be: it is named where it is read."""
        counts, why = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint8)
        places, offsets, half = self.pack.places, self.pack.offsets, self.counts.half
        if not self.cells.there:
            count_within(places, offsets, rows, cutoff, counts, GO_ON)
            return counts // (2 if half else 1)
        self.cells.bad(rows, why)
        good, boxes = rows[why == 0], self.cells.of(rows[why == 0])
        found = np.empty(len(good), np.int64)
        count_images(places, offsets, good, boxes, (cutoff, half), found, GO_ON)
        counts[why == 0] = found
        return counts

    @cached_property
    def counted(self) -> NDArray[np.int32]:
        """Pairs of each molecule; -1: not counted yet."""
        return np.full(len(self.pack), -1, np.int32)

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        """A key of the molecule that each row is a conformation of, or of its elements.

        Where the folder does not name molecules (`groups.npy`), those of the same elements count as one: so
        no conformation, duplicate or isomer of a molecule is ever separated from it.
        """
        if by == "molecule" and self.pack.groups is not None:
            return self.pack.groups[rows].astype(np.int64).view(np.uint64)
        keys = np.empty(len(rows), np.uint64)
        composition_keys(self.pack.numbers, self.pack.offsets, rows, keys)
        return keys
