"""`shuffle_pool`: chunks in random order, by reference, from a window of the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.needs import Need
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.stage import check_counts
from flowload.blocks import CHUNK, Chunks
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .pool import EMIT, ChunkPool, pooling
from .pool_choices import KNOWN, PoolChoices
from .repeating_pool import RepeatingPool, passing
from .source_table import HELD, format_finder

__all__ = ["ShufflePoolStage", "shuffle_pool"]


@dataclass(frozen=True, kw_only=True)
class ShufflePoolStage(Stage):
    """See `shuffle_pool`."""

    word: ClassVar[str] = "shuffle_pool"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (Chunks,)
    makes: ClassVar[type] = Chunks
    keyed_by_pass: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    chunks: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts("shuffle_pool", chunks=self.chunks)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One fold: which one depends on whether the data grow, and are to come more than once."""
        growing = any(stage.growing for stage in setting.upstream)
        find = format_finder(setting)
        first, size = setting.first_epoch, self.size(setting)
        if growing and setting.epochs != 1:
            return (RepeatingPool(size, find=find, first_epoch=first),)
        choices = PoolChoices(first, align=setting.align, growing=growing)
        return (ChunkPool(size, growing=growing, find=find, choices=choices),)

    def size(self, setting: Setting) -> int:
        """Chunks that its fold holds at most. Raises GraphError for lanes that would have none."""
        return setting.of_lane(self.chunks, "shuffle_pool: chunks")

    def needs(self, setting: Setting) -> Iterable[Need]:
        """Those of its fold."""
        again = setting.epochs != 1 and any(stage.growing for stage in setting.upstream)
        return passing() if again else pooling()

    def memory(self, setting: Setting) -> int:
        """The index, where every chunk is a file of its own; chunks of one file share what that costs."""
        waits = KNOWN if setting.first_epoch or setting.align else 0
        return (max(self.size(setting), waits) + 4 * EMIT) * (CHUNK.itemsize + 24 + HELD)


@names_keywords
def shuffle_pool(chunks: int, *, on_error: OnError = "raise", max_errors: int | float | None = None) -> Graph:
    """Give chunks in random order; only their indexes are held.

    Over a finite source every chunk comes exactly once an epoch, whatever the size of the pool; if the
    data fit, in a uniformly random order. Over a growing one the pool is a window of the newest chunks:
    with epochs=1 every chunk still comes once, otherwise the window comes again and again, each chunk
    once a pass in random order; new chunks join, the oldest leave.

    Args:
        chunks: references that are held at most: about 70 bytes each, and 280 a file. 1 keeps the order.
            Behind `shard(lanes=...)` of the whole stream: each lane has its share of them.
        on_error: what chunks of another format than the first do: "raise" ends the run, "skip" counts them
            as dropped.
        max_errors: under "skip": how many chunks (int) or which share (float) may be skipped.

    Examples:
        >>> graph = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.shuffle_pool(10)
        >>> with graph.iterate(seed=0) as run:
        ...     print(sum(len(chunks) for chunks in run))
        24
    """
    return place(ShufflePoolStage(chunks=chunks, on_error=on_error, max_errors=max_errors))
