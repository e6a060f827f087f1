"""`fl.bucket`: rows of similar size come together, so that batches need less padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from flowload.abc.amount import Amount
from flowload.abc.needs import Need
from flowload.abc.operators import Call, Mark, Operator, Setting, State
from flowload.abc.record_powers import Sized
from flowload.abc.stage import whole
from flowload.blocks import Rows
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.kernels.rows.sorting import sort_buckets

from .pending import PendingRows
from .reopened_tables import ReopenedTables
from .selection import RowList

__all__ = ["Bucket", "BucketStage", "bucket"]

SORTED_BY_COUNTING = 1 << 20  #: largest size for which a counter a size is cheap
AT_ONCE = 1 << 14  #: rows of a block, of as many buckets as are full: small buckets cost less together


@dataclass(frozen=True, kw_only=True)
class BucketStage(Stage):
    """The declaration of `bucket`."""

    word: ClassVar[str] = "bucket"
    accepts: ClassVar[tuple[type, ...]] = (Rows,)
    keeps: ClassVar[bool] = True

    size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not whole(self.size) or self.size < 1:
            raise GraphError(f"bucket: size is {self.size!r}; wanted a number from 1")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - references, always
        """One output with references to rows (`Rows`)."""
        return {"out": Rows}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Fold."""
        return (Bucket(self.size, tables=ReopenedTables.before(setting)),)

    def amount(
        self,
        incoming: Sequence[Amount],
        setting: Setting,
        opened: ExitStack,  # noqa: ARG002 - nothing to open
    ) -> Mapping[str, Amount]:
        """As many samples as come in."""
        return {"out": incoming[0].doubted(self.uneven(setting))}

    def needs(self, setting: Setting) -> Iterable[Need]:  # noqa: ARG002 - the same in every setting
        """The kernel that sorts."""
        numbers = np.empty(2, np.int64)
        return [(sort_buckets, (numbers, np.empty(2, np.int32), 1, numbers))]

    def memory(self, setting: Setting) -> int:  # noqa: ARG002 - the same in every setting
        """Numbers, sizes and order of a block, and the one that is made of it."""
        return max(self.size, AT_ONCE) * 40


class Bucket:
    """A fold: cuts the stream into buckets, and sorts each by size, stable. A bucket ends with its pass."""

    def __init__(self, size: int, *, tables: ReopenedTables) -> None:
        self.size = size
        self.waiting = PendingRows("bucket", tables)

    @property
    def held(self) -> int:
        """Rows of a bucket that is not full yet."""
        return len(self.waiting)

    def push(self, block: Rows, call: Call) -> Iterator[Rows]:
        """The buckets that are full with this block, several as one where they are small."""
        first = 0
        while first < len(block):
            full = (len(self.waiting) + len(block) - first) // self.size
            wanted = max(1, min(full, AT_ONCE // self.size)) * self.size
            end = min(len(block), first + wanted - len(self.waiting))
            self.waiting.add(block.select(slice(first, end)))
            first = end
            if len(self.waiting) == wanted:
                yield from self.flush(call)

    def mark(self, mark: Mark, call: Call) -> Iterator[Rows]:
        """A pass is complete: so is its last bucket."""
        return self.flush(call) if mark is Mark.EPOCH else iter(())

    def flush(self, call: Call) -> Iterator[Rows]:  # noqa: ARG002 - nothing random
        """The last bucket, sorted by size."""
        if len(self.waiting):
            yield by_size(self.waiting.take(), self.size)

    def state(self) -> State:
        """The rows that wait, as JSON values."""
        return {"waiting": self.waiting.state()}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.waiting.restore(state["waiting"])

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.waiting.tables.close()


def by_size(block: Rows, size: int) -> Rows:
    """Each `size` rows in turn by rising size, equals in their order. GraphError where rows have no size."""
    if not isinstance(block.table, Sized):
        raise GraphError(
            f"bucket: the rows of {type(block.table).__name__} have no sizes; leave bucket() out: "
            "it is for rows that differ in size, such as molecules"
        )
    rows = block.picks.array()
    sizes = block.table.sizes(rows)
    largest = int(sizes.max())
    if largest > SORTED_BY_COUNTING:
        firsts = range(0, len(rows), size)
        order = np.concatenate([k + np.argsort(sizes[k : k + size], kind="stable") for k in firsts])
    else:
        order = np.empty(len(rows), np.int64)
        sort_buckets(order, sizes, size, np.empty(largest + 2, np.int64))
    return replace(block, picks=RowList(rows[order]))


@names_keywords
def bucket(size: int) -> Graph:
    """Cut the stream of rows into buckets, and sort each by size; equal sizes keep their order.

    Behind `shuffle` and before `batch`: batches then hold rows of similar size, in random company.

    Args:
        size: rows of a bucket; many batches. The last bucket of a pass may be smaller.

    Examples:
        >>> from flowload.formats.molecules import PackedMolecules
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules")))
        >>> def efficiency(graph):
        ...     with graph.iterate() as batches:
        ...         for batch in batches:
        ...             pass
        ...         return batches.stats().stages["batch"].gauges["padding_efficiency"]
        >>> plain = efficiency(molecules >> fl.shuffle() >> fl.batch(32))
        >>> plain < efficiency(molecules >> fl.shuffle() >> fl.bucket(384) >> fl.batch(32))
        True
    """
    return place(BucketStage(size=size))
