"""Batches of any size that are made one after the other by one call, and go on as one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.record_powers import Bulk
from flowload.blocks import Batch, Bundle, Item, Rows
from flowload.errors import DataError

from .arrays.collate import BatchParts, Collate
from .arrays.gather import gathered_cut

__all__ = ["BatchRun", "CollateInTurn"]


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The rows of several batches of one table, still where they came.

    Args:
        part: the rows, batch after batch.
        borders: batch k has rows `borders[k]` to `borders[k + 1]`.
    """

    part: Rows
    borders: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.part)

    @property
    def nbytes(self) -> int:
        """Bytes of the references."""
        return self.part.nbytes

    def batch_sizes(self) -> Sequence[int]:
        """See `Divisible`."""
        return tuple(np.diff(self.borders).tolist())

    def without(self, batches: int) -> BatchRun:
        """See `Divisible`."""
        first = int(self.borders[batches])
        return BatchRun(self.part.select(slice(first, None)), self.borders[batches:] - first)

    def batches(self) -> Iterator[BatchParts]:
        """Each batch as parts that are still to be written."""
        at_once = isinstance(self.part.table, Bulk)
        for first, last in pairwise(self.borders.tolist()):
            yield BatchParts((self.part.select(slice(first, last)),), last - first if at_once else None)


class CollateInTurn(Collate):
    """A map: makes batches as `Collate`, and several in one call, or else in turn, as one bundle."""

    def apply(self, block: BatchParts | BatchRun, call: Call) -> Batch | Bundle | Item | None:
        """The arrays of a batch, or of several."""
        if isinstance(block, BatchParts):
            return super().apply(block, call)
        return Bundle.of(self.cut(block, call) or self.in_turn(block, call)) or None

    def cut(self, block: BatchRun, call: Call) -> list[Batch] | None:
        """All batches by one call; None: a row is bad, or the table knows no such call."""
        if not hasattr(
            block.part.table, "write_cut"
        ):  # not `isinstance(..., Cutting)`: that takes far longer
            return None
        try:
            return gathered_cut(block.part, block.borders, self.layout, self.device, self.padding, call)
        except DataError:
            return None

    def in_turn(self, block: BatchRun, call: Call) -> Iterator[Batch | Item]:
        """The batches of a run of them, without those that are bad."""
        made = 0
        for parts in block.batches():
            try:
                found = super().apply(parts, call)
            except DataError as error:
                call.reject(error, len(parts))
                continue
            for batch in found.bundled if isinstance(found, Bundle) else (found,):
                if batch is not None:
                    yield replace(batch, more=made > 0) if isinstance(batch, Batch) else batch
                    made += 1
