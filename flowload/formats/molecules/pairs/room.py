"""Room for pairs: a batch's own pair indices, padded to a capacity, so that a compiler meets few shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, NamedArrays
from flowload.errors import DataError, GraphError
from flowload.formats.molecules.sizing.slots import Slots

__all__ = ["EdgeRoom", "TooManyEdges"]

TooManyEdges: TypeAlias = Literal["raise", "cut"]
Pairs: TypeAlias = NamedArrays


@dataclass(frozen=True)
class EdgeRoom:
    """How many pairs batches have room for; none: as many as they have.

    Args:
        slots: the capacities; each batch has the smallest that holds its pairs.
        too_many: what a batch with more does.
    """

    slots: Slots
    too_many: TooManyEdges = "raise"

    @classmethod
    def of(cls, edges: int | Sequence[int] | None, too_many: TooManyEdges, pairs: object) -> EdgeRoom:
        """What a user said. Raises GraphError."""
        slots = Slots.of("PackedMolecules: edges", "edges", edges)
        if too_many not in ("raise", "cut"):
            raise GraphError(f"PackedMolecules: too_many_edges is {too_many!r}; wanted 'raise' or 'cut'")
        if slots.sizes and pairs != "real":
            raise GraphError(f"PackedMolecules: edges is for pairs='real'; here pairs={pairs!r}")
        if not slots.sizes and too_many != "raise":
            raise GraphError("PackedMolecules: too_many_edges is for edges=; here is no capacity")
        return cls(slots, too_many)

    def fit(self, pairs: Pairs, batch: Pairs, where: str, call: Call) -> Pairs:
        """The pairs of a batch, padded, with `edge_mask`, which is True where there is one.

        Where there is none, both ends are the last slot of all, so that `dst_idx` still rises.

        Args:
            pairs: `dst_idx`, `src_idx`, and perhaps more, each with one row a pair.
            batch: the arrays that it belongs to.
            where: which batch it is, for messages.
            call: leases memory; is told of pairs that are left out.

        Raises DataError for more than there is room for.
        """
        if not self.slots.sizes:
            return pairs
        count = len(pairs["dst_idx"])
        if count > self.slots.most:
            pairs = self.cut(pairs, batch, where, call)
            count = len(pairs["dst_idx"])
        capacity, last = self.slots.fit(count), math.prod(batch["Z"].shape) - 1
        made = {key: leased(call, capacity, array) for key, array in pairs.items()}
        for key, array in made.items():
            array[:count] = pairs[key]
            array[count:] = last if key in ("dst_idx", "src_idx") else 0
        mask = call.lease(capacity).view(np.bool_)
        mask[:count], mask[count:] = True, False
        return {**made, "edge_mask": mask}

    def cut(self, pairs: Pairs, batch: Pairs, where: str, call: Call) -> Pairs:
        """The nearest pairs, as many as there is room for; all of one distance stay, or none."""
        count, most = len(pairs["dst_idx"]), self.slots.most
        found, wanted = f"{count} pairs", f"at most edges={most}"
        error = DataError("more pairs than there is room for", where=where, found=found, wanted=wanted)
        if self.too_many == "raise":
            raise error
        squares = squared_distances(pairs, batch)
        keep = np.flatnonzero(squares < np.partition(squares, most)[most])
        molecules = np.delete(pairs["dst_idx"], keep) // batch["Z"].shape[1]
        call.missing(len(np.unique(molecules)), error)
        return {key: array[keep] for key, array in pairs.items()}

    def parts(self, wholes: Sequence[Pairs]) -> dict[str, tuple[int, int, int]]:
        """How full batches are by capacity; see `record_powers.Padding`."""
        found: dict[str, tuple[int, int, int]] = {}
        for whole in wholes:
            mask = whole.get("edge_mask")
            if mask is not None:
                name = f"{len(mask)}_edges"
                batches, filled, places = found.get(name, (0, 0, 0))
                found[name] = batches + 1, filled + int(np.count_nonzero(mask)), places + len(mask)
        return found

    def own_bytes(self, *, cells: bool) -> int:
        """Bytes at most of what a batch is given beside the pairs that it has, with shifts or without."""
        return (21 if cells else 9) * self.slots.most


def leased(call: Call, rows: int, like: NDArray[Any]) -> NDArray[Any]:
    """Memory for an array like another, of so many rows."""
    shape = (rows, *like.shape[1:])
    return call.lease(math.prod(shape) * like.itemsize).view(like.dtype).reshape(shape)


def squared_distances(pairs: Pairs, batch: Pairs) -> NDArray[np.float64]:
    """Of each pair, in Å²; through the boundary where the pair says so."""
    places = batch["R"].reshape(-1, 3).astype(np.float64)
    between = places[pairs["src_idx"]] - places[pairs["dst_idx"]]
    if "shifts" in pairs:
        cells = batch["cell"].astype(np.float64)[pairs["dst_idx"] // batch["Z"].shape[1]]
        between += np.einsum("ps,psx->px", pairs["shifts"].astype(np.float64), cells)
    squares: NDArray[np.float64] = (between**2).sum(axis=1)
    return squares
