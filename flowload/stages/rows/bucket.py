"""`fl.bucket`: rows of similar size come together, so that batches need less padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Call, Mark, Operator, Setting, State
from flowload.abc.record_powers import Sized
from flowload.abc.stage import check_counts, check_flags
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
    makes: ClassVar[type] = Rows
    keyed_by_pass: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    size: int
    shuffle_batches: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts("bucket", size=self.size)
        check_flags("bucket", shuffle_batches=self.shuffle_batches)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Fold. Raises GraphError: see `piece_of`."""
        tables, first = ReopenedTables.before(setting), setting.first_epoch
        if not self.shuffle_batches:
            return (Bucket(self.size, tables=tables, first_epoch=first),)
        piece = piece_of(setting)
        return (Bucket(rounded_up(self.size, piece), tables=tables, piece=piece, first_epoch=first),)

    def needs(self, setting: Setting) -> Iterable[Need]:  # noqa: ARG002 - the same in every setting
        """The kernel that sorts."""
        numbers = np.empty(2, np.int64)
        return [(sort_buckets, (numbers, np.empty(2, np.int32), 1, numbers))]

    def memory(self, setting: Setting) -> int:
        """Numbers, sizes and order of a block, and the one that is made of it."""
        size = rounded_up(self.size, piece_of(setting)) if self.shuffle_batches else self.size
        return max(size, AT_ONCE) * 40


class Bucket:
    """A fold: cuts the stream into buckets, and sorts each by size, stable. A bucket ends with its pass.

    Args:
        size: rows of a bucket.
        tables: those that a restored state may name.
        piece: rows of the batches that come in random order then; 0: they stay sorted.
        first_epoch: number of the first pass: that order depends on the numbers of pass and bucket.
    """

    def __init__(self, size: int, *, tables: ReopenedTables, piece: int = 0, first_epoch: int = 0) -> None:
        self.size = size
        self.piece = piece
        self.waiting = PendingRows("bucket", tables)
        self.passes = first_epoch  # number of the pass that comes in
        self.made = 0  # buckets of this pass
        self.begun = 0  # rows of a batch that is not complete yet

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
                yield self.release(call, last=False)

    def mark(self, mark: Mark, call: Call) -> Iterator[Rows]:
        """A pass is complete: so is its last bucket."""
        if mark is Mark.EPOCH:
            if len(self.waiting):
                yield self.release(call, last=True)
            self.passes, self.made = self.passes + 1, 0

    def flush(self, call: Call) -> Iterator[Rows]:
        """The last bucket; batches begin anew behind it."""
        if len(self.waiting):
            yield self.release(call, last=True)
        self.begun = 0

    def release(self, call: Call, *, last: bool) -> Rows:
        """All that waits: buckets, each sorted by size, its batches then in random order."""
        block = by_size(self.waiting.take(), self.size)
        if not self.piece:
            return block
        rows, parts = block.picks.array(), []
        for first in range(0, len(rows), self.size):
            own, rng = rows[first : first + self.size], call.rng(self.passes, self.made)
            parts.append(in_pieces(own, self.piece, self.begun, rng, last=last))
            self.made, self.begun = self.made + 1, (self.begun + len(own)) % self.piece
        return replace(block, picks=RowList(np.concatenate(parts)))

    def state(self) -> State:
        """The rows that wait, as JSON values, and what the next order depends on."""
        place = {"passes": self.passes, "made": self.made, "begun": self.begun}
        return {"waiting": self.waiting.state(), **place}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.waiting.restore(state["waiting"])
        self.passes = state.get("passes", self.passes)  # of before 0.2: nothing was random
        self.made, self.begun = state.get("made", 0), state.get("begun", 0)

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


def in_pieces(
    rows: NDArray[np.int64], piece: int, begun: int, rng: np.random.Generator, *, last: bool
) -> NDArray[np.int64]:
    """Sorted rows, cut into pieces of neighbours that come in random order: the batches behind.

    Args:
        rows: by rising size.
        piece: rows of a batch.
        begun: rows of a batch that was begun before: the largest complete it, as the largest began it.
        rng: draws the order.
        last: of the pass: what is too little for a batch is neighbours of any size, for it may be dropped.
    """
    head = min(-begun % piece, len(rows))
    rest = rows[: len(rows) - head]
    full, odd = divmod(len(rest), piece)
    at = (int(rng.integers(full + 1)) if last else full) * piece  # where the odd ones are taken out
    pieces = np.delete(rest, slice(at, at + odd)).reshape(full, piece)
    return np.concatenate([rows[len(rest) :], pieces[rng.permutation(full)].reshape(-1), rest[at : at + odd]])


def piece_of(setting: Setting) -> int:
    """Rows of the stream of which a batch is made: as many ranks, or lanes, as there are between take turns.

    Raises GraphError where no batches of so many samples follow.
    """
    ranks = 1
    for stage in setting.downstream:
        size = getattr(stage, "size", None) if getattr(stage, "cuts", False) else None
        if size is not None:
            return int(size) * ranks
        share = stage.share()
        ranks *= 1 if share is None else share.lanes or share.world
    raise GraphError("bucket: shuffle_batches=True needs a batch(size) behind it, whose batches it shuffles")


def rounded_up(size: int, piece: int) -> int:
    """The next multiple of a number, from it on."""
    return -(-size // piece) * piece


@names_keywords
def bucket(size: int, *, shuffle_batches: bool = False) -> Graph:
    """Cut the stream of rows into buckets, and sort each by size; equal sizes keep their order.

    Behind `shuffle` and before `batch`: batches then hold rows of similar size, in random company.

    Args:
        size: rows of a bucket; many batches. The last bucket of a pass may be smaller.
        shuffle_batches: the batches of a bucket come in random order, another in each; else those of the
            smallest rows come first, and those of the largest last. The bucket is rounded up to whole
            batches, those of the `batch(size)` behind it. Where a batch is filled up because a row turned out
            bad (`on_error="skip"`), those behind it begin in other places, and hold rows of two pieces.

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
    return place(BucketStage(size=size, shuffle_batches=shuffle_batches))
