"""Which pairs of atoms a batch names, and how it comes by them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Call
from flowload.errors import GraphError
from flowload.kernels.molecules.pairs import fill_pairs, fill_pairs_within, room_within
from flowload.kernels.stopping import STOPPED

from .shared import Ints, SharedIndices, make_pairs

__all__ = ["PairRule", "Pairs"]

Pairs: TypeAlias = Literal["none", "molecule", "batch", "real"]


@dataclass(frozen=True)
class PairRule:
    """What `pairs` and `cutoff` of `PackedMolecules` say. Raises GraphError where they do not fit."""

    pairs: Pairs
    cutoff: float | None

    def __post_init__(self) -> None:
        if self.pairs not in get_args(Pairs):
            known = ", ".join(map(repr, get_args(Pairs)))
            raise GraphError(f"PackedMolecules: pairs is {self.pairs!r}; wanted one of {known}")
        if self.cutoff is None:
            return
        if self.pairs != "real":
            raise GraphError(f"PackedMolecules: cutoff is for pairs='real'; here pairs={self.pairs!r}")
        if not is_distance(self.cutoff):
            raise GraphError(f"PackedMolecules: cutoff is {self.cutoff!r}; wanted a distance in Å above 0")

    def indices(
        self, places: NDArray[np.float32], sizes: Ints, shared: SharedIndices, call: Call
    ) -> Mapping[str, Any]:
        """`dst_idx` and `src_idx` of a batch; nothing where no pairs are wanted.

        Args:
            places: (molecules, slots, 3), in Å.
            sizes: atoms of each molecule.
            shared: keeps what is the same for every batch.
            call: leases memory for what is not.
        """
        if self.pairs == "none":
            return {}
        if self.pairs == "real":
            dst, src = self.real(places, sizes, call)
        else:
            molecules = len(sizes) if self.pairs == "batch" else 1
            dst, src = shared.get(make_pairs, molecules, places.shape[1])
        return {"dst_idx": dst, "src_idx": src}

    def needs(self) -> Iterator[Need]:
        """The kernels that name pairs."""
        sizes, places, stop = np.empty(2, np.int32), np.empty((2, 2), np.float32), np.empty(2, np.uint8)
        if self.cutoff is not None:
            yield room_within, (places, sizes, 0.0, stop)
            yield fill_pairs_within, (sizes, sizes, places, sizes, 0.0, stop)
        elif self.pairs != "none":
            yield fill_pairs, (sizes, sizes, sizes, 0, stop)

    def own_bytes(self, molecules: int, slots: int) -> int:
        """Bytes at most of the indices that a batch has for itself."""
        return 8 * molecules * slots * (slots - 1) if self.pairs == "real" else 0

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
        return dst[:count], src[:count]


def is_distance(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def all_pairs(sizes: Ints) -> int:
    """Ordered pairs of real atoms."""
    counts = sizes.astype(np.int64)
    return int((counts * (counts - 1)).sum())
