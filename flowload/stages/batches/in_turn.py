"""Batches of any size that are made one after the other by one call, and go on as one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from flowload.abc.operators import Call
from flowload.blocks import Batch, Bundle, Item
from flowload.errors import DataError

from .collate import BatchParts, Collate

__all__ = ["BatchRun", "CollateInTurn"]


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The rows of several batches, still where they came."""

    batches: tuple[BatchParts, ...]
    rows: int = field(init=False)  #: of all
    nbytes: int = field(init=False)  #: of the rows

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", sum(map(len, self.batches)))
        object.__setattr__(self, "nbytes", sum(parts.nbytes for parts in self.batches))

    def __len__(self) -> int:
        return self.rows

    def batch_sizes(self) -> Sequence[int]:
        """See `Divisible`."""
        return tuple(map(len, self.batches))

    def without(self, batches: int) -> BatchRun:
        """See `Divisible`."""
        return BatchRun(self.batches[batches:])


class CollateInTurn(Collate):
    """A map: makes batches as `Collate`, and several in turn, as one bundle."""

    def apply(self, block: BatchParts | BatchRun, call: Call) -> Batch | Bundle | Item | None:
        """The arrays of a batch, or of several."""
        if isinstance(block, BatchParts):
            return super().apply(block, call)
        return Bundle.of(self.in_turn(block, call)) or None

    def in_turn(self, block: BatchRun, call: Call) -> Iterator[Batch | Item]:
        """The batches of a run of them, without those that are bad."""
        made = 0
        for parts in block.batches:
            try:
                found = super().apply(parts, call)
            except DataError as error:
                call.reject(error, len(parts))
                continue
            for batch in found.bundled if isinstance(found, Bundle) else (found,):
                if batch is not None:
                    yield replace(batch, more=made > 0) if isinstance(batch, Batch) else batch
                    made += 1
