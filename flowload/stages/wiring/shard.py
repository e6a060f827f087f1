"""`shard`: every rank of a training takes its own chunks, before any byte of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.amount import Amount
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.stage import Share, whole
from flowload.blocks import Chunks, Files, Rows
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.inspect.even import from_environment
from flowload.graph.keywords import names_keywords
from flowload.stages.batches.batch_by_budget import BudgetStage
from flowload.stages.chunks.partition import Partition, PartitionByHash
from flowload.stages.chunks.source_table import format_finder
from flowload.stages.rows.reopened_tables import ReopenedTables, own_records
from flowload.stages.rows.round_robin import RoundRobin

from .deal_batches import BatchDealer, DealBatches
from .deal_files import FilesByName, FilesInTurn, by_name
from .deal_lanes import Dealer, DealLanes, ToLanes
from .lane_dealers import ChunkDealer, RowDealer
from .weights import weigher

__all__ = ["ShardFilesStage", "ShardStage", "shard"]


@dataclass(frozen=True, kw_only=True)
class ShardStage(Stage):
    """See `shard`."""

    word: ClassVar[str] = "shard"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (Chunks, Rows)
    keeps: ClassVar[bool] = True
    deals: ClassVar[bool] = True  #: whole batches, where a budget cuts them directly behind it

    rank: int | None = None
    world: int | None = None
    even: bool = True
    lanes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = (("rank", self.rank, 0), ("world", self.world, 1), ("lanes", self.lanes, 1))
        for name, value, least in numbers:
            if value is not None and (not whole(value) or value < least):
                raise GraphError(f"shard: {name} is {value!r}; wanted a number from {least}, or None")
        if self.rank is not None and self.world is not None:
            check_rank(self.rank, self.world)
        if self.lanes is not None and not self.even:
            raise GraphError(
                "shard: lanes end together, so that they fit any number of ranks; leave even out"
            )

    @property
    def stream_version(self) -> int:  # type: ignore[override]  # a class variable elsewhere
        """2 with lanes: where their blocks end is what a random function behind them draws by."""
        return 1 if self.lanes is None else 2

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in: references."""
        return {"out": incoming[0]}

    def share(self) -> Share:
        """This rank's. Raises GraphError where the environment makes no sense."""
        rank = from_environment("RANK", 0) if self.rank is None else self.rank
        world = from_environment("WORLD_SIZE", 1) if self.world is None else self.world
        check_rank(rank, world)
        if self.lanes is not None:
            check_lanes(self.lanes, world)
        return Share(rank, world, self.even, self.lanes)

    def remembered(self) -> Mapping[str, object]:
        """Its policy; rank and world are told by `share`, whoever said them."""
        return {"even": self.even} if self.lanes is None else {"even": self.even, "lanes": self.lanes}

    def uneven(self, setting: Setting) -> str | None:
        """Stages behind it may take of chunks what it cannot foretell; what it skips, all ranks skip."""
        takers = [stage for stage in setting.downstream if callable(getattr(stage, "taken", None))]
        if len({getattr(stage, "sampling", stage) for stage in takers}) > 1:
            return "it gives ranks as many samples for one unpack() behind it, and there are others"
        return None

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One fold. Raises GraphError where the environment makes no sense."""
        rank, world, _, lanes = self.share()
        growing = any(stage.growing for stage in setting.upstream)
        if lanes is not None:
            return DealLanes(self.dealer(lanes, setting, growing=growing)), ToLanes()
        below = below_of(setting)
        if below is not None and world > 1:
            tables = ReopenedTables.before(setting)
            return (DealBatches(below.cutter(tables), rank, world, even=self.even, tables=tables),)
        if own_records(setting):
            return (RoundRobin(rank, world, even=self.even, tables=ReopenedTables.before(setting)),)
        if growing:
            return (PartitionByHash(rank, world, setting.seed),)
        return (Partition(rank, world, weigher(setting), find=format_finder(setting)),)

    def dealer(self, lanes: int, setting: Setting, *, growing: bool) -> Dealer:
        """What deals to lanes. Raises GraphError for data that ranks may see in different order."""
        tables = ReopenedTables.before(setting)
        if (below := below_of(setting)) is not None and lanes > 1:
            return BatchDealer(below.cutter(tables), lanes, setting.here, tables)
        if own_records(setting):
            return RowDealer(lanes, setting.here, tables)
        if growing:
            raise GraphError(
                "shard: lanes are the same for any number of ranks, and a folder that grows is not: ranks see"
                " its files in different order; leave lanes out"
            )
        return ChunkDealer(lanes, setting.here, weigher(setting), find=format_finder(setting))

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """This rank's rows, or a lane's: those of the last turn that does not reach all are cut."""
        rank, world, even, lanes = self.share()
        world = world if lanes is None else lanes
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


@dataclass(frozen=True, kw_only=True)
class ShardFilesStage(ShardStage):
    """See `shard(by="files")`."""

    accepts: ClassVar[tuple[type, ...]] = (Files,)

    by: str = "files"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lanes is not None:
            raise GraphError(
                "shard: lanes end together, whoever has them, because each has as many samples, and whole"
                ' files have not: leave lanes out, or by="files"'
            )

    def remembered(self) -> Mapping[str, object]:
        """Its policy."""
        return {**super().remembered(), "by": self.by}

    def uneven(self, setting: Setting) -> str | None:  # noqa: ARG002 - wherever it stands
        """What is in a file nobody knows before it is read. Lanes end together by themselves."""
        return (
            None if self.lanes is not None else "it gives ranks whole files, which differ in what is in them"
        )

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One fold. Raises GraphError where the environment makes no sense."""
        rank, world, _, _ = self.share()
        growing = any(stage.growing for stage in setting.upstream)
        return (FilesByName(rank, world) if growing else FilesInTurn(rank, world),)

    def brings(self, number: int, path: str, *, growing: bool) -> bool:
        """Whether this rank reads a file; the source directly before it brings no others.

        Args:
            number: of the file in its pass.
            path: of it.
            growing: ranks may see files in different order.
        """
        rank, world, _, _ = self.share()
        return (by_name(path, world) if growing else number % world) == rank

    def amount(
        self,
        incoming: Sequence[Amount],
        setting: Setting,  # noqa: ARG002 - wherever it stands
        opened: ExitStack,  # noqa: ARG002 - nothing to open
    ) -> Mapping[str, Amount]:
        """Known where one rank has all."""
        if self.share().world == 1:
            return {"out": incoming[0]}
        raise NoLength('shard(by="files"): what is in the files of a rank shows only when they are read')


def below_of(setting: Setting) -> BudgetStage | None:
    """The stage directly behind, where that cuts batches by a budget."""
    below = setting.downstream[0] if setting.downstream else None
    return below if isinstance(below, BudgetStage) else None


def check_rank(rank: int, world: int) -> None:
    """Raise GraphError for a rank that the world does not have."""
    if rank >= world:
        raise GraphError(f"shard: rank is {rank}; wanted 0 to {world - 1}, for world={world}")


def check_lanes(lanes: int, world: int) -> None:
    """Raise GraphError for a world that cannot share the lanes, with those that can."""
    if lanes % world:
        fit = ", ".join(str(number) for number in range(1, lanes + 1) if lanes % number == 0)
        raise GraphError(
            f"shard: {lanes} lanes cannot be shared by {world} ranks, as many by each; worlds that can: {fit}"
        )


@names_keywords
def shard(
    rank: int | None = None,
    world: int | None = None,
    *,
    even: bool = True,
    lanes: int | None = None,
    by: str = "chunks",
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

    With `lanes=24` the stream is 24 fixed lanes: lane l is what rank l of 24 would have, and batch b of the
    whole stream is batch b // 24 of lane b % 24. Rank r of W takes the batches r, r + W, r + 2 W ... So the
    order of all batches is the same for every number of ranks that divides 24, a state of any rank is that of
    all, and a run may go on with another number of ranks. Sizes of pools and reservoirs are of the whole
    stream, and lanes share them. A round is one batch of each lane: lanes end with the last round that all
    have; what one has more is cut, and counted. `batch(..., across_lanes=True)` makes batches of all lanes.

    `by="files"`, directly behind `discover`: whole files, in turn, the same ones in every pass. A rank opens
    its own alone, and of a store brings no others: 1/W of the bytes, where chunks of each tar would make
    every rank bring every tar. What is in a file nobody knows before, so ranks agree at every step, as above,
    or `even=False` lets them end in different steps. Mixed are the files of one rank alone; no lanes.

    Over a growing folder, which ranks may see in different order, a hash of the file's name and the
    chunk's number decides; then shares are equal on average only.

    Args:
        rank: which share, from 0; None: RANK of the environment as torchrun sets it, or 0.
        world: how many shares; None: WORLD_SIZE of the environment, or 1, which passes everything.
        even: all ranks give the same number, as collective operations need; False: of rows nothing is cut,
            and ranks may end in different steps, as with `iterate(even="allow")`.
        lanes: fixed shares, of which each rank has as many; None: one a rank, so that another number of
            ranks is another stream. Take a number that many worlds divide: 24, or 48.
        by: "chunks" (and rows), or "files".
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
        >>> def world(number):
        ...     graph = lambda rank: fl.rows(24) >> fl.shard(rank, number, lanes=4) >> fl.batch(2)
        ...     runs = [iter(graph(rank).iterate()) for rank in range(number)]
        ...     return [batch["index"].tolist() for step in zip(*runs) for batch in step]
        >>> world(1)[:5]
        [[0, 4], [1, 5], [2, 6], [3, 7], [8, 12]]
        >>> world(1) == world(2) == world(4)
        True
    """
    if by not in ("chunks", "files"):
        raise GraphError(f"shard: by is {by!r}; wanted 'chunks' or 'files'")
    made = ShardFilesStage if by == "files" else ShardStage
    return place(
        made(rank=rank, world=world, even=even, lanes=lanes, on_error=on_error, max_errors=max_errors)
    )
