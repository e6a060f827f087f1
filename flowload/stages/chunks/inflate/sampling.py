"""Which records of a chunk one use of it gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Chunks, SourceFile
from flowload.kernels.chunks.schedule import choose, run_lengths

__all__ = ["Sampling"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A share num/den of the records a use, or `count` of them where that is not 0."""

    num: int = 1
    den: int = 1
    count: int = 0

    @cached_property
    def everything(self) -> bool:
        """Whether every use of a chunk gives all of its records."""
        return self.count == 0 and self.num == self.den

    @property
    def share(self) -> float:
        """The largest share of a chunk's records that one use gives."""
        return 1.0 if self.count else self.num / self.den

    def most(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Upper bounds of how many records one use of chunks of so many gives."""
        if self.count:
            return np.minimum(records, self.count)
        return records * self.num // self.den + (self.num < self.den)

    def most_bytes(
        self, table: NDArray[np.void], claims: NDArray[np.int64], row: int | None = None
    ) -> NDArray[np.int64]:
        """The same in bytes, for chunks that claim to hold so many; all where their records are not known.

        `row`: bytes of a record; None: as the chunk claims.
        """
        records = np.maximum(table["records"], 1).astype(np.int64)
        rows = -(-claims // records) if row is None else row
        most: NDArray[np.int64] = np.minimum(self.most(records) * rows, claims)
        return most

    def choose(
        self, records: int, chunk: np.void, source: SourceFile, seed: int
    ) -> tuple[NDArray[np.int64] | None, int]:
        """Positions of one use in rising order (None: all), and how many more the chunk's cap cut off.

        Args:
            records: that the chunk has.
            chunk: its row of the index.
            source: its file.
            seed: of the run.
        """
        cap = int(chunk["cap"])
        if self.everything and cap < 0:
            return None, 0
        use, index = int(chunk["use"]), int(chunk["index"])
        rule = self.num, self.den, self.count
        return choose(records, use, cap, np.uint64(seed), np.uint64(source.key), index, rule)

    def lengths(self, chunks: Chunks, seed: int) -> NDArray[np.int64]:
        """How many records each chunk use gives, caps aside; the index must know every number of records."""
        table = chunks.table
        keys = np.array([source.key for source in chunks.sources], np.uint64)
        out = np.empty(len(table), np.int64)
        columns = [np.ascontiguousarray(table[name]) for name in ("records", "use", "index")]
        records, uses, indices = columns
        rule = self.num, self.den, self.count
        run_lengths(out, records, uses, keys[table["source"]], indices, np.uint64(seed), rule)
        return out
