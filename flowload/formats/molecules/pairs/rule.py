"""Which pairs of atoms a batch names, and how it comes by them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Call, NamedArrays
from flowload.abc.stage import check_flags
from flowload.errors import GraphError
from flowload.formats.molecules.columns.cells import Box
from flowload.kernels.molecules.images import OUTSIDE, fill_images, find_images
from flowload.kernels.molecules.pairs import fill_pairs, fill_pairs_within, keep_half, room_within
from flowload.kernels.stopping import STOPPED

from .shared import Ints, SharedIndices, make_pairs

__all__ = ["PairRule", "Pairs"]

Pairs: TypeAlias = Literal["none", "molecule", "batch", "real"]

#: Atoms in a cubic Å of the densest matter at ordinary pressure, diamond with 0.176: for estimates of memory.
DENSEST = 0.18
LISTED = 12  #: bytes of a pair while it is looked for


@dataclass(frozen=True)
class PairRule:
    """What `pairs`, `cutoff` and `half` of `PackedMolecules` say. Raises GraphError where they do not fit."""

    pairs: Pairs
    cutoff: float | None
    half: bool = False

    def __post_init__(self) -> None:
        if self.pairs not in get_args(Pairs):
            known = ", ".join(map(repr, get_args(Pairs)))
            raise GraphError(f"PackedMolecules: pairs is {self.pairs!r}; wanted one of {known}")
        check_flags("PackedMolecules", half=self.half)
        if self.half and self.pairs != "real":
            raise GraphError(f"PackedMolecules: half is for pairs='real'; here pairs={self.pairs!r}")
        if self.cutoff is None:
            return
        if self.pairs != "real":
            raise GraphError(f"PackedMolecules: cutoff is for pairs='real'; here pairs={self.pairs!r}")
        if not is_distance(self.cutoff):
            raise GraphError(f"PackedMolecules: cutoff is {self.cutoff!r}; wanted a distance in Å above 0")

    @property
    def goes_around(self) -> bool:
        """Whether nothing is missing where molecules are periodic."""
        return self.pairs == "none" or (self.pairs == "real" and self.cutoff is not None)

    def indices(
        self,
        places: NDArray[np.float32],
        sizes: Ints,
        shared: SharedIndices,
        call: Call,
        box: Box | None = None,
    ) -> Mapping[str, Any]:
        """`dst_idx` and `src_idx` of a batch, and `shifts` of periodic ones; nothing where none are wanted.

        Args:
            places: (molecules, slots, 3), in Å.
            sizes: atoms of each molecule.
            shared: keeps what is the same for every batch.
            call: leases memory for what is not.
            box: cells of the molecules; None: the folder has none.
        """
        if self.pairs == "none":
            return {}
        if self.pairs == "real" and box is not None:
            return self.in_cells(places, sizes, call, box)
        if self.pairs == "real":
            dst, src = self.real(places, sizes, call)
        else:
            molecules = len(sizes) if self.pairs == "batch" else 1
            dst, src = shared.get(make_pairs, molecules, places.shape[1])
        return {"dst_idx": dst, "src_idx": src}

    def needs(self, *, cells: bool) -> Iterator[Need]:
        """The kernels that name pairs, in a folder with cells or one without."""
        sizes, places, stop = np.empty(2, np.int32), np.empty((2, 2), np.float32), np.empty(2, np.uint8)
        if self.cutoff is not None and cells:
            longs, wide = np.empty((2, 2), np.int64), np.empty((2, 2), np.int32)
            boxes, pbc = np.empty((2, 3, 3)), np.empty((2, 3), np.bool_)
            yield find_images, (places, sizes, boxes, pbc, (0.0, False), stop)
            found = sizes, longs[0], longs, longs
            yield fill_images, (sizes, sizes, wide, found, sizes, 0, stop)
            return
        if self.cutoff is not None:
            yield room_within, (places, sizes, 0.0, stop)
            yield fill_pairs_within, (sizes, sizes, places, sizes, 0.0, stop)
        elif self.pairs != "none":
            yield fill_pairs, (sizes, sizes, sizes, 0, stop)
        if self.half:
            yield keep_half, (sizes, sizes, 0)

    def own_bytes(self, molecules: int, slots: int, *, cells: bool) -> int:
        """Bytes at most of the indices that a batch has for itself; in cells, of matter as dense as any."""
        if self.pairs != "real":
            return 0
        neighbours = slots - 1
        if cells and self.cutoff is not None:
            neighbours = math.ceil(DENSEST * 4 / 3 * math.pi * self.cutoff**3)
        return (20 if cells else 8) * molecules * slots * neighbours

    def finding_bytes(self, molecules: int, slots: int, *, cells: bool) -> int:
        """Bytes at most that a call has while it looks for pairs across cells, beside what it leases.

        Two lists, of 12 bytes a pair, which become twice as long where an atom's neighbours may not fit, and
        the old ones meanwhile.
        """
        if not cells or self.pairs != "real" or self.cutoff is None:
            return 0
        atoms = molecules * slots
        pairs = self.own_bytes(molecules, slots, cells=True) // 20
        around = math.ceil(DENSEST * (4 * self.cutoff) ** 3)  # of one atom, near or not
        return LISTED * max(3 * (pairs + around), 64 * atoms) + 40 * atoms

    def real(self, places: NDArray[np.float32], sizes: Ints, call: Call) -> tuple[Ints, Ints]:
        """Pairs of real atoms, in leased memory."""
        flat = places.reshape(len(places), -1)
        cutoff = self.cutoff
        stop = call.stop
        room = all_pairs(sizes) if cutoff is None else room_within(flat, sizes, float(cutoff), stop)
        if room == STOPPED:
            call.go_on()
        both = call.lease(8 * room).view(np.int32)
        dst, src = both[:room], both[room:]
        if cutoff is None:
            count = fill_pairs(dst, src, sizes, places.shape[1], stop)
        else:
            count = fill_pairs_within(dst, src, flat, sizes, float(cutoff), stop)
        if count == STOPPED:
            call.go_on()
        if self.half:
            count = keep_half(dst, src, count)
        return dst[:count], src[:count]

    def in_cells(self, places: NDArray[np.float32], sizes: Ints, call: Call, box: Box) -> NamedArrays:
        """Pairs of real atoms and of their images, in leased memory. Raises DataError."""
        if self.cutoff is None:  # nothing is periodic
            dst, src = self.real(places, sizes, call)
            return {"dst_idx": dst, "src_idx": src, "shifts": np.zeros((len(dst), 3), np.int32)}
        flat, stop = places.reshape(len(places), -1), call.stop
        cells = box.cells.astype(np.float64)
        found, count = find_images(flat, sizes, cells, box.pbc, (float(self.cutoff), self.half), stop)
        if count == STOPPED:
            call.go_on()
        if count < 0:
            raise box.outside(OUTSIDE - count)
        memory = call.lease(20 * count).view(np.int32)
        dst, src, shifts = memory[:count], memory[count : 2 * count], memory[2 * count :].reshape(count, 3)
        if fill_images(dst, src, shifts, found, sizes, places.shape[1], stop) == STOPPED:
            call.go_on()
        return {"dst_idx": dst, "src_idx": src, "shifts": shifts}


def is_distance(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def all_pairs(sizes: Ints) -> int:
    """Ordered pairs of real atoms."""
    counts = sizes.astype(np.int64)
    return int((counts * (counts - 1)).sum())
