"""Packed molecules that a run has opened: looked at once, written once, from memory map to leased buffer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, Call, NamedArrays
from flowload.abc.record_powers import Gathered, Padding, Pair
from flowload.abc.records import WRITTEN, Fields, Numbers, Order, Picks
from flowload.errors import DataError
from flowload.files.guard import Guard
from flowload.formats.molecules.sizing.sizes import MoleculeSizes
from flowload.formats.molecules.sizing.slots import Slots
from flowload.formats.molecules.sizing.varied import Cut, Flat, finished, padding_of_cut
from flowload.kernels.molecules.pad import STREAMED, mark, pad_batches, pad_molecules
from flowload.kernels.molecules.ragged import widths_of
from flowload.kernels.molecules.sound import find_unsound

from .columns.cells import Box, Cells
from .columns.gather import ColumnReader
from .files import Pack, absent
from .layouts import LAYOUTS, Chosen, arrays_of, fields_of
from .pairs.room import EdgeRoom
from .pairs.rule import PairRule
from .pairs.shared import SharedIndices, make_segments
from .validate import COLUMN, FLAT, blame

__all__ = ["NO_FORCES", "MoleculeTable", "targets_of"]


PART = 1 << 14  #: molecules that are looked at in one call: a run that is left does not wait for all


NO_FORCES = np.empty((0, 0), np.float32)  #: in the place of those that are not wanted
NO_LABELS = np.empty(0)


def targets_of(out: NamedArrays) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where energies and charges are written to; nothing where they are not wanted."""
    return out.get("E", NO_LABELS), out.get("Qtot", NO_LABELS)


class MoleculeTable(MoleculeSizes):
    """See `flowload.formats.molecules.packed.PackedMolecules`."""

    layouts: Sequence[str] = tuple(LAYOUTS)
    swift = True

    def __init__(
        self,
        pack: Pack,
        *,
        slots: Slots,
        too_large: str,
        rules: Mapping[str, PairRule],
        chosen: Chosen,
        room: EdgeRoom,
    ) -> None:
        cells = Cells(pack, max(rule.cutoff or 0.0 for rule in rules.values()))
        super().__init__(pack, slots, room, rules["physnet"], cells)
        self.chosen = chosen
        self.too_large = too_large
        self.rules = rules
        self.shared = SharedIndices()
        self.atoms = pack.numbers, pack.places, pack.forces if chosen.forces else absent(pack.forces.dtype)
        energies = pack.energies if chosen.energies else absent(pack.energies.dtype)
        self.labels = energies, pack.charges if chosen.charges else absent(pack.charges.dtype)
        self.columns = ColumnReader(pack, [name for name, _ in chosen.columns], COLUMN)

    def __len__(self) -> int:
        return len(self.pack)

    @property
    def guard(self) -> Guard:
        """Of the folder's files."""
        return self.pack.guard

    def check(self) -> None:
        """Read all molecules. Raises DataError for the first that cannot be delivered."""
        most = 0 if self.too_large == "drop" else self.known.most
        why = np.empty(PART, np.uint8)
        for start in range(0, len(self), PART):
            rows = np.arange(start, min(start + PART, len(self)))
            with self.guard:
                bad = self.unsound(rows, most, why[: len(rows)])
            if bad:
                first = int(np.flatnonzero(why)[0])
                raise self.blame(start + first, int(why[first]))

    def unsound(self, rows: Numbers, most: int, why: NDArray[np.uint8]) -> int:
        """Write why each molecule cannot be delivered, 0: it can; how many cannot."""
        bad = find_unsound(self.atoms, self.labels, self.pack.offsets, rows, most, why)
        return bad + self.columns.bad(rows, why) + self.cells.bad(rows, why)

    def blame(self, row: int, reason: int) -> DataError:
        """The error for a molecule that `unsound` found."""
        if reason >= COLUMN:
            return self.columns.blame(row, reason)
        if reason >= FLAT:
            return self.cells.blame(row, reason)
        return blame(self.pack, row, reason, self.known.most)

    def screen(self, rows: Numbers) -> tuple[Numbers, Mapping[str, int]]:
        """The molecules that fit, where those that are too large are dropped."""
        if not self.known.sizes or self.too_large != "drop":
            return rows, {}
        fits = self.sizes(rows) <= self.known.most
        return rows[fits], {"too large": len(rows) - int(fits.sum())}

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """The molecules that are sound, in their order; the others are rejected."""
        why = np.empty(len(rows), np.uint8)
        if not self.unsound(rows, self.known.most, why):
            return rows
        for row, reason in zip(rows[why > 0].tolist(), why[why > 0].tolist(), strict=True):
            call.reject(self.blame(row, reason))
        kept: Numbers = rows[why == 0]
        return kept

    def most(self, layout: str, size: int) -> tuple[Fields, int]:
        """The arrays of the largest molecule, and bytes at most of the pairs that are a batch's own."""
        slots = self.known.most or self.longest
        return fields_of(layout, slots, self.chosen), self.own_bytes(layout, size, slots)

    def own_bytes(self, layout: str, size: int, slots: int) -> int:
        """Bytes at most of the pairs of a batch."""
        return self.rule(layout).own_bytes(size, slots, cells=self.chosen.cells) + self.room.own_bytes(
            cells=self.chosen.cells
        )

    def rule(self, layout: str) -> PairRule:
        """Which pairs batches of a layout have. Raises DataError where these would miss some."""
        rule = self.rules[layout]
        if not self.cells.periodic or rule.goes_around:
            return rule
        found = f"pairs={rule.pairs!r}{' without a cutoff' if rule.pairs == 'real' else ''}"
        wanted = "pairs='real' with a cutoff, or pairs='none': others miss those across a boundary"
        raise DataError("periodic molecules", where=str(self.pack.path), found=found, wanted=wanted)

    def fields(self, layout: str, rows: Numbers) -> Fields:
        """See `fields_of`."""
        return fields_of(layout, self.slots(rows), self.chosen)

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:
        """Write the molecules; the arrays that go with the batch are pair indices and segments."""
        sizes, _ = self.pad(layout, rows, WRITTEN, out, check=False)
        return self.beside(layout, out, sizes, call, self.cells.box(out, rows), partial(self.named, rows))

    def beside(
        self,
        layout: str,
        batch: NamedArrays,
        sizes: NDArray[np.int32],
        call: Call,
        box: Box | None,
        where: Callable[[], str],
    ) -> NamedArrays:
        """What goes with a batch as a whole: pair indices, padded to their room, and segments."""
        pairs = self.rule(layout).indices(batch["R"], sizes, self.shared, call, box)
        if self.room.slots.sizes:
            pairs = self.room.fit(pairs, batch, where(), call)
        return {**pairs, **self.segments(layout, *batch["Z"].shape)}

    def alike(self, layout: str) -> bool:
        """Where all batches are padded to one size, and no pairs are a batch's own."""
        return self.known.fixed and self.rule(layout).pairs != "real"

    def write_many(
        self, layout: str, picks: Picks, size: int, out: NamedArrays, call: Call
    ) -> Gathered | None:
        """Look at the molecules and write them in one go; None where one of them is too large or unsound."""
        rows, order = picks.lazy()
        sizes, atoms = self.pad(layout, rows, order, out, check=True)
        if atoms < 0:
            return None
        slots = out["R"].shape[1]
        pairs = self.rule(layout).indices(out["R"][:size], sizes[:size], self.shared, call)
        whole = {**pairs, **self.segments(layout, size, slots)}
        return Gathered(whole, (atoms, slots * len(rows)))

    def write_varied(
        self, layout: str, picks: Picks, size: int, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[list[Pair], Padding] | None:
        """Look at the molecules and write them in one go, each batch padded to its own largest."""
        borders = np.arange(0, len(picks) + 1, size)
        return self.write_cut(layout, picks, borders, lease, call)

    def write_cut(
        self, layout: str, picks: Picks, borders: Numbers, lease: Callable[[int], Bytes], call: Call
    ) -> tuple[list[Pair], Padding] | None:
        """The same of batches of any size: rows `borders[k]` to `borders[k + 1]`."""
        rows, order = picks.lazy()
        widths = np.empty(len(borders) - 1, np.int64)
        widths_of(self.pack.offsets, rows, order, borders, widths)
        widths = self.known.fit_all(widths)
        flat = Flat(arrays_of(layout, self.chosen), len(rows), int((np.diff(borders) * widths).sum()))
        out = flat.arrays(lease(flat.nbytes))
        sizes = out["N"] if LAYOUTS[layout].sizes else np.empty(len(rows), np.int32)
        packed, streamed = (self.atoms, self.labels, self.pack.offsets), flat.nbytes >= STREAMED
        arrays = out["Z"], out["R"], out.get("F", NO_FORCES.reshape(-1))
        atoms = pad_batches(packed, rows, borders, widths, arrays, targets_of(out), sizes, streamed)
        if atoms < 0 or not self.add_columns(rows, out, borders, widths, check=True):
            return None
        cut = Cut(layout, rows, borders, widths, sizes)
        batches = finished(
            cut,
            flat.batches(out, borders.tolist(), widths.tolist()),
            lambda batch, own, rows: self.beside(
                layout, batch, own, call, self.cells.box(batch, rows), partial(self.named, rows)
            ),
        )
        pairs = self.room.parts([whole for _, whole in batches])
        return batches, padding_of_cut(cut, self.known, pairs)

    def pad(
        self, layout: str, rows: Numbers, order: Order, out: NamedArrays, *, check: bool
    ) -> tuple[NDArray[np.int32], int]:
        """Write what has one row a molecule; the atoms of each, and of all, or -1 where one is bad."""
        count = len(rows)
        sizes = out["N"] if LAYOUTS[layout].sizes else np.empty(count, np.int32)
        forces = out["F"].reshape(count, -1) if "F" in out else NO_FORCES
        arrays = out["Z"], out["R"].reshape(count, -1), forces
        packed = self.atoms, self.labels, self.pack.offsets
        streamed = arrays[0].nbytes + arrays[1].nbytes + arrays[2].nbytes >= STREAMED
        atoms = pad_molecules(packed, rows, order, arrays, targets_of(out), sizes, check, streamed)
        widths = np.full(1, out["Z"].shape[1], np.int64)
        if atoms >= 0 and not self.add_columns(rows, out, np.array([0, count]), widths, check=check):
            atoms = -1
        if LAYOUTS[layout].mask and atoms >= 0:
            mark(sizes, out["mask"])
        return sizes, atoms

    def add_columns(
        self,
        rows: Numbers,
        out: NamedArrays,
        borders: NDArray[np.int64],
        widths: NDArray[np.int64],
        *,
        check: bool,
    ) -> bool:
        """Write the columns of batches between these borders; False: a molecule cannot be delivered."""
        if not len(self.columns):
            return True
        if check and self.bad_columns(rows):
            return False
        self.columns.write(rows, out, borders, widths)
        return True

    def bad_columns(self, rows: Numbers) -> bool:
        """Whether a column of one of these molecules is not what it should be."""
        why = np.zeros(len(rows), np.uint8)
        return bool(len(self.columns) and (self.columns.bad(rows, why) or self.cells.bad(rows, why)))

    def segments(self, layout: str, count: int, slots: int) -> NamedArrays:
        """The molecule of each slot of a batch, where the layout has it."""
        if not LAYOUTS[layout].sizes:
            return {}
        return {"batch_segments": self.shared.get(make_segments, count, slots)[0]}

    def named(self, rows: Numbers) -> str:
        """Which batch it is, for messages."""
        return f"{self.pack.path}, a batch of {len(rows)} molecules, the first {rows[0]}"

    def describe(self, row: int) -> str:
        """Where a row lies, for messages: folder and molecule."""
        return f"{self.pack.path}, molecule {row}"

    def close(self) -> None:
        """Let go of the files; each map is closed with the last array on it."""
        self.guard.close()
