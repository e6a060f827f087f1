"""Games in endless random order, and the shuffle buffer that every loader needs: whole chunks at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .craft import ChunkRef, Records

__all__ = ["Endless", "Shuffle"]


class Endless:
    """The chunks again and again, each time in another order."""

    def __init__(self, chunks: Sequence[ChunkRef], seed: int) -> None:
        self.chunks = chunks
        self.seed = seed

    def __iter__(self) -> Iterator[ChunkRef]:
        rng = np.random.default_rng(self.seed)
        while True:
            for place in rng.permutation(len(self.chunks)).tolist():
                yield self.chunks[place]


class Shuffle:
    """A buffer of `size` records: those of a chunk take the places of random ones, which go on.

    Args:
        size: records that wait.
        batch: records of what comes out.
        seed: of the choices.
    """

    def __init__(self, size: int, batch: int, seed: int) -> None:
        self.size = size
        self.batch = batch
        self.rng = np.random.default_rng(seed)
        self.slots: Records | None = None
        self.held = 0
        self.parts: list[Records] = []
        self.waiting = 0

    def push(self, records: Records) -> Iterator[Records]:
        """The batches of records that are complete with this chunk."""
        if self.slots is None:
            self.slots = np.empty((self.size, *records.shape[1:]), records.dtype)
        room = min(self.size - self.held, len(records))
        self.slots[self.held : self.held + room] = records[:room]
        self.held += room
        for first in range(room, len(records), self.size):
            self.swap(self.slots, records[first : first + self.size])
        while self.waiting >= self.batch:
            yield self.cut()

    def swap(self, slots: Records, records: Records) -> None:
        """Records change places with as many different slots."""
        which = self.rng.choice(self.size, len(records), replace=False)
        self.parts.append(slots[which])
        slots[which] = records
        self.waiting += len(records)

    def cut(self) -> Records:
        """The next batch of records."""
        joined = np.concatenate(self.parts)
        self.parts = [joined[self.batch :]]
        self.waiting = len(self.parts[0])
        return joined[: self.batch]
