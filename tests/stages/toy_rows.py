"""Records by row that can be counted by hand: row i has size 1 + i * 7 % 5, and belongs to group i // 3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block, Call, Mark
from flowload.abc.record_powers import Demand
from flowload.abc.records import Fields, Numbers
from flowload.blocks import Rows
from flowload.stages.rows.selection import RowRange

__all__ = ["ToyRecords", "ToyTable", "blocks_of", "numbers_of", "passes_of"]


@dataclass(frozen=True)
class ToyRecords:
    """Rows 0 to n-1; those in `bad` cannot be delivered."""

    n: int
    bad: tuple[int, ...] = ()

    name: ClassVar[str] = "toy"
    layouts: ClassVar[Sequence[str]] = ("plain", "padded")

    def fields(self, layout: str) -> Fields:
        return {"row": ((), np.dtype(np.int64))}

    def open(self) -> ToyTable:
        return ToyTable(self)


class ToyTable:
    """Layout "padded" pads to the largest size of the batch, and tells the sizes' sum for the whole."""

    layouts: Sequence[str] = ToyRecords.layouts
    groups: Sequence[str] = ("trio",)
    budgets: Sequence[str] = ("atoms", "edges")

    def __init__(self, records: ToyRecords) -> None:
        self.records = records
        self.closed = 0

    def __len__(self) -> int:
        return self.records.n

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        good = ~np.isin(rows, self.records.bad)
        call.drop(int((~good).sum()), "bad row")
        return rows[good]

    def fields(self, layout: str, rows: Numbers) -> Fields:
        row = {"row": ((), np.dtype(np.int64))}
        return row if layout == "plain" else {**row, "body": ((int(self.sizes(rows).max()),), np.dtype("u1"))}

    def write(
        self, layout: str, rows: Numbers, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Mapping[str, NDArray[Any]]:
        out["row"][:] = rows
        if layout == "plain":
            return {}
        sizes = self.sizes(rows)
        out["body"][:] = np.arange(out["body"].shape[1]) < sizes[:, None]
        return {"total": sizes.sum(keepdims=True)}

    def describe(self, row: int) -> str:
        return f"toy row {row}"

    def close(self) -> None:
        self.closed += 1

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        return (1 + rows * 7 % 5).astype(np.int32)

    def demand(self, by: str, rows: Numbers) -> Demand:
        """Of atoms, slots of 2, 4 or 6, each by itself; of edges, as many as the size."""
        sizes = self.sizes(rows).astype(np.int64)
        if by == "edges":
            return Demand(sizes, np.zeros(len(rows), np.int64), padded=False)
        kinds = (sizes - 1) // 2
        return Demand(2 + 2 * kinds, kinds, padded=True, even=True)

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        return (rows // 3).astype(np.uint64)


def blocks_of(sizes: Iterable[int], records: ToyRecords | None = None) -> list[Rows]:
    """Blocks of these sizes, rows from 0 on."""
    ends = np.cumsum([0, *sizes]).tolist()
    records = records or ToyRecords(max(ends[-1], 1))
    table = records.open()
    return [Rows(table, RowRange(a, b), records) for a, b in pairwise(ends) if b > a]


def passes_of(blocks: Sequence[Block], passes: int = 2) -> list[Block | Mark]:
    """The same blocks again and again."""
    once: list[Block | Mark] = [*blocks, Mark.EPOCH]
    return once * passes


def numbers_of(blocks: Iterable[object]) -> Iterator[int]:
    """The row numbers of blocks of references, or of batches of them."""
    for block in blocks:
        if isinstance(block, Rows):
            yield from block.picks.array().tolist()
        else:
            arrays = block if isinstance(block, Mapping) else getattr(block, "arrays", {})
            yield from np.asarray(arrays["row" if "row" in arrays else "index"]).tolist()
