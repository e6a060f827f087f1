"""`shard`: every rank of a training takes its own chunks, before any byte of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.amount import Amount
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.stage import Share, whole
from flowload.blocks import Chunks, Rows
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.inspect.even import from_environment
from flowload.graph.keywords import names_keywords
from flowload.stages.batches.batch_by_budget import BudgetStage
from flowload.stages.chunks.partition import Partition, PartitionByHash, Weigh
from flowload.stages.chunks.source_table import format_finder
from flowload.stages.rows.reopened_tables import ReopenedTables, own_records
from flowload.stages.rows.round_robin import RoundRobin

from .deal_batches import DealBatches

__all__ = ["ShardStage", "shard"]


@dataclass(frozen=True, kw_only=True)
class ShardStage(Stage):
    """See `shard`."""

    word: ClassVar[str] = "shard"
    accepts: ClassVar[tuple[type, ...]] = (Chunks, Rows)
    keeps: ClassVar[bool] = True
    deals: ClassVar[bool] = True  #: whole batches, where a budget cuts them directly behind it

    rank: int | None = None
    world: int | None = None
    even: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, least in (("rank", self.rank, 0), ("world", self.world, 1)):
            if value is not None and (not whole(value) or value < least):
                raise GraphError(f"shard: {name} is {value!r}; wanted a number from {least}, or None")
        if self.rank is not None and self.world is not None:
            check_rank(self.rank, self.world)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in: references."""
        return {"out": incoming[0]}

    def share(self) -> Share:
        """This rank's. Raises GraphError where the environment makes no sense."""
        rank = from_environment("RANK", 0) if self.rank is None else self.rank
        world = from_environment("WORLD_SIZE", 1) if self.world is None else self.world
        check_rank(rank, world)
        return Share(rank, world, self.even)

    def remembered(self) -> Mapping[str, object]:
        """Its policy; rank and world are told by `share`, whoever said them."""
        return {"even": self.even}

    def uneven(self, setting: Setting) -> str | None:
        """Stages behind it may take of chunks what it cannot foretell; what it skips, all ranks skip."""
        takers = [stage for stage in setting.downstream if callable(getattr(stage, "taken", None))]
        if len({getattr(stage, "sampling", stage) for stage in takers}) > 1:
            return "it gives ranks as many samples for one unpack() behind it, and there are others"
        return None

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One fold. Raises GraphError where the environment makes no sense."""
        rank, world, _ = self.share()
        below = below_of(setting)
        if below is not None and world > 1:
            tables = ReopenedTables.before(setting)
            return (DealBatches(below.cutter(tables), rank, world, even=self.even, tables=tables),)
        if own_records(setting):
            return (RoundRobin(rank, world, even=self.even, tables=ReopenedTables.before(setting)),)
        if any(stage.growing for stage in setting.upstream):
            return (PartitionByHash(rank, world, setting.seed),)
        return (Partition(rank, world, weigher(setting), find=format_finder(setting)),)

    def amount(
        self,
        incoming: Sequence[Amount],
        setting: Setting,
        opened: ExitStack,  # noqa: ARG002 - nothing to open
    ) -> Mapping[str, Amount]:
        """This rank's rows: those of the last turn that does not reach all ranks are cut."""
        rank, world, even = self.share()
        (found,) = incoming
        if world == 1:
            return {"out": found}
        if (below := below_of(setting)) is not None:
            blocks, beyond = divmod(below.fill(found, setting.epochs or 1).blocks or 0, world)
            return {"out": Amount(samples=None, blocks=blocks + int(not even and rank < beyond))}
        if found.samples is None:
            raise NoLength("shard: how much comes to it shows only when it runs")
        own, beyond = divmod(found.samples, world)
        return {"out": found.share(own + int(not even and rank < beyond))}


def below_of(setting: Setting) -> BudgetStage | None:
    """The stage directly behind, where that cuts batches by a budget."""
    below = setting.downstream[0] if setting.downstream else None
    return below if isinstance(below, BudgetStage) else None


def check_rank(rank: int, world: int) -> None:
    """Raise GraphError for a rank that the world does not have."""
    if rank >= world:
        raise GraphError(f"shard: rank is {rank}; wanted 0 to {world - 1}, for world={world}")


def weigher(setting: Setting) -> Weigh:
    """Samples that chunk uses will give, as the first stage below that samples says; else records."""
    for stage in setting.downstream:
        taken = getattr(stage, "taken", None)
        if callable(taken):
            return lambda chunks: capped(taken(chunks, setting.seed), chunks)
    return lambda chunks: capped(known_records(chunks), chunks)


def capped(weights: NDArray[np.int64], chunks: Chunks) -> NDArray[np.int64]:
    """Weights, none above the cap of its own chunk."""
    caps = chunks.table["cap"].astype(np.int64)
    return np.where(caps < 0, weights, np.minimum(weights, caps))


def known_records(chunks: Chunks) -> NDArray[np.int64]:
    """Records of each chunk; 1 where the index does not say."""
    records = chunks.table["records"].astype(np.int64)
    return np.where(records < 0, 1, records)


@names_keywords
def shard(
    rank: int | None = None,
    world: int | None = None,
    *,
    even: bool = True,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Take this rank's share of the chunks or rows; all ranks together take each once.

    Rows go to the ranks in turn: put it behind `shuffle`, and every pass deals them anew. Rows of a last turn
    that does not reach all ranks are cut, and counted. Directly before a `batch(atoms=)` or `batch(edges=)`
    whole batches are dealt instead, in turn: all ranks give as many, of different numbers of rows.

    Chunks: every rank sees the same stream and deals it by the same rule: each chunk to the rank that has the
    fewest samples so far. What a rank has more than another waits, and is cut at the end of the stream:
    so all ranks deliver the same number of samples, hence of batches, and less than one chunk a rank is
    lost, which the ledger counts. All ranks need the same files, parameters and seed.

    What leaves samples out behind it (a filter, a chunk that turns out bad when it is inflated, and is
    skipped) does so on its own rank alone: then ranks agree at every step, or the run is refused; see `even`
    of `Graph.iterate`. Before it, all ranks leave out the same.

    Over a growing folder, which ranks may see in different order, a hash of the file's name and the
    chunk's number decides; then shares are equal on average only.

    Args:
        rank: which share, from 0; None: RANK of the environment as torchrun sets it, or 0.
        world: how many shares; None: WORLD_SIZE of the environment, or 1, which passes everything.
        even: all ranks give the same number, as collective operations need; False: of rows nothing is cut,
            and ranks may end in different steps, as with `iterate(even="allow")`.
        on_error: "skip" counts chunks whose length nobody can know without reading them (damaged ones, as a
            rule), on every rank alike, instead of ending the run.
        max_errors: how many chunks (int) or which share (float) may be skipped.

    Examples:
        >>> def rank(number):
        ...     graph = fl.rows({"x": np.arange(6)}) >> fl.shard(number, world=2) >> fl.batch(10)
        ...     with graph.iterate() as batches:
        ...         return next(batches)["x"].tolist()
        >>> rank(0), rank(1)
        ([0, 2, 4], [1, 3, 5])
    """
    return place(ShardStage(rank=rank, world=world, even=even, on_error=on_error, max_errors=max_errors))
