"""Molecules of several folders, written to batches together: each folder's by one call, to their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, Call, NamedArrays
from flowload.abc.record_powers import Gathered, Padding, Pair
from flowload.abc.records import Fields, Numbers, Picks
from flowload.formats.molecules.sizing.varied import Cut, Flat, finished, padding_of_cut
from flowload.kernels.molecules.pad import mark, pad_at

from .columns.cells import Box
from .layouts import LAYOUTS, Array, arrays_of, sized
from .table import NO_FORCES, MoleculeTable, targets_of

__all__ = ["SetBatches"]


class SetBatches:
    """What makes batches of the rows of several folders, one behind the other.

    Args:
        tables: the folders.
        arrays: of a batch, by layout: those of any folder, and masks of those that one lacks.
    """

    swift = True

    def __init__(self, tables: Sequence[MoleculeTable], arrays: Mapping[str, Mapping[str, Array]]) -> None:
        self.tables = tables
        self.arrays = arrays
        self.ends = np.cumsum([len(table) for table in tables])
        self.known, self.room = tables[0].known, tables[0].room

    def parts(self, rows: Numbers) -> Iterator[tuple[MoleculeTable, NDArray[np.intp], Numbers]]:
        """The folders that rows are of: which places of `rows`, and their numbers in that folder."""
        which = np.searchsorted(self.ends, rows, side="right")
        for k, table in enumerate(self.tables):
            places = np.flatnonzero(which == k)
            if len(places):
                yield table, places, rows[places] - (int(self.ends[k]) - len(table))

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        """Atoms of each molecule."""
        sizes = np.empty(len(rows), np.int32)
        for table, places, own in self.parts(rows):
            sizes[places] = table.sizes(own)
        return sizes

    def slots(self, rows: Numbers) -> int:
        """What the batch of these molecules is padded to."""
        return self.known.most if self.known.fixed else self.known.fit(int(self.sizes(rows).max(initial=0)))

    def fields(self, layout: str, rows: Numbers) -> Fields:
        """Of the arrays of all folders, and of the masks of those that one lacks."""
        return sized(self.arrays[layout], self.slots(rows))

    def most(self, layout: str, size: int) -> tuple[Fields, int]:
        """The arrays of the largest molecule, and bytes at most of the pairs that are a batch's own."""
        slots = self.known.most or max(table.longest for table in self.tables)
        beside = max(table.own_bytes(layout, size, slots) for table in self.tables)
        return sized(self.arrays[layout], slots), beside

    def alike(self, layout: str) -> bool:
        """Where all batches are padded to one size, and no pairs are a batch's own."""
        return all(table.alike(layout) for table in self.tables)

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:
        """Write the molecules, which are sound, as one batch."""
        sizes = self.write_alike(layout, rows, out, check=False)
        assert sizes is not None  # noqa: S101 - nothing was looked for
        return self.beside(layout, call, out, sizes, rows)

    def write_many(
        self, layout: str, picks: Picks, size: int, out: NamedArrays, call: Call
    ) -> Gathered | None:
        """Look at the molecules and write them in one go; None where one of them is too large or unsound."""
        rows = picks.array()
        sizes = self.write_alike(layout, rows, out, check=True)
        if sizes is None:
            return None
        first = {key: array[:size] for key, array in out.items()}
        whole = self.beside(layout, call, first, sizes[:size], rows[:size])
        return Gathered(whole, (int(sizes.sum(dtype=np.int64)), out["Z"].size))

    def write_varied(
        self, layout: str, picks: Picks, size: int, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[list[Pair], Padding] | None:
        """Look at the molecules and write them in one go, each batch padded to its own largest."""
        return self.write_cut(layout, picks, np.arange(0, len(picks) + 1, size), lease, call)

    def write_cut(
        self, layout: str, picks: Picks, borders: Numbers, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[list[Pair], Padding] | None:
        """The same of batches of any size: rows `borders[k]` to `borders[k + 1]`."""
        rows, counts = picks.array(), np.diff(borders)
        sizes = self.sizes(rows)
        widths = self.known.fit_all(np.maximum.reduceat(sizes, borders[:-1]).astype(np.int64))
        flat = Flat(self.arrays[layout], len(rows), int((counts * widths).sum()))
        out = flat.arrays(lease(flat.nbytes))
        found = self.scatter(layout, rows, np.repeat(widths, counts), out, check=True)
        if found is None:
            return None
        cut = Cut(layout, rows, borders, widths, found)
        batches = finished(
            cut,
            flat.batches(out, borders.tolist(), widths.tolist()),
            partial(self.beside, layout, call),
        )
        pairs = self.room.parts([whole for _, whole in batches])
        return batches, padding_of_cut(cut, self.known, pairs)

    def write_alike(
        self, layout: str, rows: Numbers, out: NamedArrays, *, check: bool
    ) -> NDArray[np.int32] | None:
        """Write molecules to arrays in which all have as many slots; their sizes, or None: see `scatter`."""
        widths = np.full(len(rows), out["Z"].shape[1], np.int64)
        flat = {key: array.reshape(-1) for key, array in out.items()}
        sizes = self.scatter(layout, rows, widths, flat, check=check)
        if sizes is not None and LAYOUTS[layout].mask:
            mark(sizes, out["mask"])
        return sizes

    def scatter(
        self, layout: str, rows: Numbers, widths: Numbers, out: NamedArrays, *, check: bool
    ) -> NDArray[np.int32] | None:
        """Write molecules one behind the other, each in so many slots; their sizes.

        None: one of them cannot be delivered, which only `check` finds.

        Args:
            layout: of the batches.
            rows: the molecules.
            widths: slots of each.
            out: the arrays of all, of one axis each.
            check: look at each before it is written.
        """
        sizes = out["N"] if LAYOUTS[layout].sizes else np.empty(len(rows), np.int32)
        begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths[:-1])])
        arrays = out["Z"], out["R"], out.get("F", NO_FORCES.reshape(-1))
        masks = self.masks(layout)
        for table, numbers, own in self.parts(rows):
            where = begins[numbers], widths[numbers], numbers.astype(np.int64)
            packed = table.atoms, table.labels, table.pack.offsets
            if pad_at(packed, own, where, arrays, targets_of(out), sizes, check) < 0:
                return None
            if check and table.bad_columns(own):
                return None
            table.columns.write_at(own, out, where)
            has = arrays_of(layout, table.chosen)
            for key in masks:
                out[key][numbers] = key.removesuffix("_mask") in has
            for name, array in self.arrays[layout].items():
                if name not in has and name not in masks and name not in WRITTEN_HERE:
                    clear(out[name], array, where)
        return sizes

    def beside(
        self,
        layout: str,
        call: Call,
        batch: NamedArrays,
        sizes: NDArray[np.int32],
        rows: Numbers,
    ) -> Mapping[str, Any]:
        """What goes with a batch as a whole."""
        named = partial(self.named, rows)
        return self.tables[0].beside(layout, batch, sizes, call, self.box(batch, rows), named)

    def box(self, arrays: NamedArrays, rows: Numbers) -> Box | None:
        """The cells of a batch of these rows; None where no folder has any."""
        if not any(table.cells.there for table in self.tables):
            return None
        return Box(arrays["cell"], arrays["pbc"], rows, self.places_of)

    def places_of(self, row: int) -> str:
        """Where the positions of a molecule lie."""
        ((table, _, own),) = self.parts(np.array([row]))
        return table.cells.places_of(int(own[0]))

    def masks(self, layout: str) -> Sequence[str]:
        """The arrays that say whether others are there."""
        own = set().union(*(arrays_of(layout, table.chosen) for table in self.tables))
        return [key for key in self.arrays[layout] if key not in own]

    def named(self, rows: Numbers) -> str:
        """Which batch it is, for messages."""
        return f"a batch of {len(rows)} molecules, the first {self.describe(int(rows[0]))}"

    def describe(self, row: int) -> str:
        """Where a row lies, for messages."""
        ((table, _, own),) = self.parts(np.array([row]))
        return table.describe(int(own[0]))


#: What the kernel makes zeros of by itself, where a folder has none.
WRITTEN_HERE = ("F", "E", "Qtot")


def clear(out: NDArray[Any], array: Array, where: tuple[Numbers, Numbers, Numbers]) -> None:
    """Zeros in the places of some molecules, of which nothing is known."""
    begins, widths, numbers = where
    rows = out.reshape(-1, *array.shape)
    if not array.atoms:
        rows[numbers] = 0
        return
    for begin, end in pairwise_places(begins, widths):
        rows[begin:end] = 0


def pairwise_places(begins: Numbers, widths: Numbers) -> Iterator[tuple[int, int]]:
    """Neighbouring places as one stretch: first, and behind the last."""
    edges = np.flatnonzero(begins[1:] != begins[:-1] + widths[:-1]) + 1
    for first, last in pairwise([0, *edges.tolist(), len(begins)]):
        yield int(begins[first]), int(begins[last - 1] + widths[last - 1])
