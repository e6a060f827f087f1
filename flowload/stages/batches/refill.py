"""Batches from which bad samples were taken are filled up from those behind: all but the last are full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from flowload.abc.operators import Call
from flowload.blocks import Batch, Bundle, Item

from .arrays.collate import BatchParts, Collate, Part, cut_out
from .arrays.written import QuietCall, Written, merged
from .bundle import bundle
from .rebatch import Rebatch

__all__ = ["CollateRefilled", "Refill"]


class Refill(Rebatch):
    """A fold: lets full batches pass as they are; behind the first bad sample, cuts the stream anew.

    It sees batches in their order, so what comes out is the good samples in their order, cut to size: the
    same for any number of workers. What waits is named by reference, as in `Rebatch`.
    """

    def push(self, block: Written, call: Call) -> Iterator[Written | BatchParts]:  # type: ignore[override]
        """The batches that are complete with these samples."""
        if block.finished is not None and not self.held and len(block) % self.size == 0:
            self.made += len(block) // self.size
            yield block
            return
        self.arrive(block.parts[0])
        for batch in block.batches():
            if self.fits(batch.parts[0], call):
                self.parts.append(cast("Part", batch))  # cut like the part that it is
                self.held += len(batch)
        count = self.held // self.size
        if count:
            parts, end, self.parts = self.parts, count * self.size, []
            self.parts += cut_out(parts, end, self.held)
            self.held -= end
            self.made += count
            yield BatchParts(tuple(cut_out(parts, 0, end)), self.size if count > 1 else None)

    def waiting(self) -> list[Part]:
        """The parts that wait, as they came."""
        return came_from(self.parts)


class CollateRefilled(Collate):
    """A map: batches that were cut anew are made of the arrays of the old ones, or written anew."""

    def apply(self, block: Written | BatchParts, call: Call) -> Batch | Bundle | Item | None:
        """The batch, or bundle of batches, of samples that were cut anew."""
        if isinstance(block, Written):
            return block.finished
        cut = cast("tuple[Part | Written, ...]", block.parts)
        written = [part for part in cut if isinstance(part, Written)]
        if len(block.parts) == 1 and written and written[0].finished is not None:
            return written[0].finished
        arrays = [Batch(part.arrays) for part in written if part.arrays is not None]
        if len(arrays) == len(block.parts):
            made = self.joined(arrays, call)
            return made if block.size is None else bundle(made.arrays, block.size, {})
        parts = merged(came_from(block.parts))
        return self.anew(parts, block.size, QuietCall(call))

    def anew(self, parts: Sequence[Part], size: int | None, call: Call) -> Batch | Bundle | Item | None:
        """Batches of samples that are known to be good."""
        if size is None or len(parts) == 1:
            return super().apply(BatchParts(tuple(parts), size), call)
        firsts = range(0, sum(map(len, parts)), size)
        cut = [tuple(cut_out(parts, first, first + size)) for first in firsts]
        made = (self.batch(pieces, call) for pieces in cut)
        return Bundle.of(batch for batch in made if batch is not None)


def came_from(parts: Sequence[Part | Written]) -> list[Part]:
    """The samples by reference, without what was written of them."""
    return [own for part in parts for own in (part.parts if isinstance(part, Written) else (part,))]
