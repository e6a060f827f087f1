"""`batch`: so many samples as named arrays, encoded straight into one leased buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from flowload.abc.amount import Amount
from flowload.abc.needs import Compiled, Need
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.records import LayoutRecords, may_drop
from flowload.abc.stage import Joins, check_counts, check_flags
from flowload.blocks import Batch, Frames, Rows
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.chunks.references import why_not_by_reference
from flowload.stages.chunks.source_table import format_finder
from flowload.stages.device.places import InPlaces, of_batches, workers_between
from flowload.stages.registry import own_formats
from flowload.stages.rows.reopened_tables import ReopenedTables, lacking, own_records

from .arrays.buffer_layout import batch_bytes
from .arrays.collate import Collate, find_layout
from .arrays.gather import check_layout
from .arrays.written import CollateUsable
from .batch_by_budget import BudgetStage
from .batch_memory import IN_EACH_LANE, WAITING, device_of, made_bytes, writing_bytes
from .budget import Budget
from .bundle import how_many
from .of_lanes import Join, across, in_turn, share_of
from .rebatch import Cut, Rebatch
from .refill import CollateRefilled, Refill
from .row_size import row_size

__all__ = ["BatchStage", "batch"]


@dataclass(frozen=True, kw_only=True)
class BatchStage(Stage):
    """See `batch`."""

    word: ClassVar[str] = "batch"
    accepts: ClassVar[tuple[type, ...]] = (Frames, Batch, Rows)
    keeps: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    size: int
    layout: str | None = None
    drop_last: bool = False
    across_lanes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts("batch", size=self.size)
        if not isinstance(self.layout, str | None):
            raise GraphError(f"batch: layout is {self.layout!r}; wanted the name of one, or None")
        check_flags("batch", drop_last=self.drop_last, across_lanes=self.across_lanes)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """One output with batches (`Batch`)."""
        if self.layout is not None and list(incoming) == [Batch]:
            raise GraphError(f"batch: layout={self.layout!r} is for records; here come arrays already")
        return {"out": Batch}

    @property
    def across(self) -> bool:  # type: ignore[override]  # a class variable elsewhere
        """See `Stage.across`."""
        return self.across_lanes

    def joins(self, setting: Setting) -> Joins:
        """Encoding makes of each block one, unless samples are left out there."""
        sure = self.across_lanes or self.on_error == "raise" or self.refilled(setting)
        return "within" if sure else "behind"

    def joined(self, setting: Setting) -> Join:
        """See `Stage.joined`."""
        if self.across_lanes:
            return across
        if not setting.bundles:
            return super().joined(setting)
        return in_turn(self.size, Collate(self.layout, device_of(setting)).together)

    def own_size(self, setting: Setting) -> int:
        """Samples that a lane cuts off for a batch. Raises GraphError where lanes cannot have as many."""
        return share_of(self.size, setting.lanes) if self.across_lanes else self.size

    def size_here(self, setting: Setting) -> int:
        """Samples of a batch of this rank."""
        return self.own_size(setting) * max(1, len(setting.here)) if self.across_lanes else self.size

    def uneven(self, setting: Setting) -> str | None:
        """What is bad, or lacks data, is left out where it is read."""
        return super().uneven(setting) or lacking(setting)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """Cut the stream by reference; encode each piece. Raises GraphError for an unknown layout."""
        for known in own_formats(setting.upstream):
            find_layout(known, self.layout)
        for records in own_records(setting):
            check_layout(records.name, records.layouts, self.layout)
        device, refilled = device_of(setting), self.refilled(setting)
        encode = CollateUsable(self.layout, device) if refilled else Collate(self.layout, device)
        # Of several lanes here each gives one batch in turn; and those that are filled up are counted one by
        # one, for a lane to go on alone or among others: bad samples make another number of bundles.
        alone = not setting.here or (len(setting.here) == 1 and not refilled)
        how = Cut(
            size=self.own_size(setting),
            drop_last=self.drop_last,
            find=format_finder(setting),
            misfit=encode.misfit if self.on_error == "skip" else None,
            by_reference=why_not_by_reference(setting) is None,
            warns=setting.lane == (*setting.here, 0)[0],
        )
        together = encode.together if setting.bundles and alone else None
        first = replace(how, together=together, drop_last=self.drop_last and not refilled)
        cut = Rebatch(first, ReopenedTables.before(setting))
        workers = (self.workers or setting.cpus) + workers_between(setting)
        places = partial(of_batches, workers)
        made: Operator = encode if device is None else InPlaces(encode, places(0), places)
        if not refilled:
            return cut, made
        refill = Refill(how, ReopenedTables.before(setting))
        return cut, made, refill, CollateRefilled(self.layout, device, encode.padding)

    def refilled(self, setting: Setting) -> bool:
        """Whether samples may be dropped while batches are made, so that these must be filled up."""
        if setting.incoming == (Batch,):
            return False  # arrays are not read here; those that do not fit are left out before
        records = own_records(setting)
        unknown = not records and Rows in setting.incoming  # rows of a table of somebody's own
        return self.on_error == "skip" or unknown or any(map(may_drop, records))

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """Full batches, and perhaps a smaller one at the end."""
        samples = incoming[0].samples
        if samples is None:
            raise NoLength("batch: how much comes to it shows only when it runs")
        full, rest = divmod(samples, self.own_size(setting))
        blocks = full + int(rest > 0 and not self.drop_last)
        bad = self.uneven(setting) or ("what turns out bad is left out" if self.refilled(setting) else None)
        given = Amount(samples=samples - rest if self.drop_last else samples, blocks=blocks)
        return {"out": given.doubted(incoming[0].unsure).doubted(bad)}

    def needs(self, setting: Setting) -> Iterator[Need]:
        """Those that write the layout."""
        for known in own_formats(setting.upstream):
            if isinstance(known, Compiled):
                yield from known.needs(self.layout or next(iter(known.layouts)))
        for records in own_records(setting):
            if isinstance(records, Compiled):
                yield from records.needs(self.layout or records.layouts[0])

    def memory(self, setting: Setting) -> int:
        """Batches at work and on their way, and the records that they are made of."""
        workers = self.workers or setting.cpus
        formats = own_formats(setting.upstream)
        size = self.size_here(setting)
        known = [self.batch_of(records, size) for records in own_records(setting)]
        if known or not formats:
            nbytes = max(known, default=0)
            together = how_many(nbytes, swift=True) if setting.bundles else 1
            made = made_bytes(setting, workers, nbytes, together)
            writing = workers * writing_bytes(own_records(setting), self.layout, "rows", size)
            return made + writing + self.refilling(setting, nbytes * together)
        fields = find_layout(formats[0], self.layout).fields()
        nbytes = batch_bytes(fields, size)
        together = how_many(nbytes, swift=False) if setting.bundles else 1
        batches = made_bytes(setting, workers, nbytes, together)
        lanes = 1 if self.across_lanes else max(1, len(setting.here))  # in which batches that are cut wait
        waiting = WAITING if lanes == 1 else IN_EACH_LANE * lanes
        records = (workers + waiting) * size * row_size(setting)
        return batches + records + self.refilling(setting, nbytes)

    def given_bytes(self, setting: Setting) -> int:
        """Bytes of one batch, as far as they are known, for whoever stands behind it."""
        size = self.size_here(setting)
        known = [self.batch_of(records, size) for records in own_records(setting)]
        formats = own_formats(setting.upstream)
        if known or not formats:
            return max(known, default=0)
        return batch_bytes(find_layout(formats[0], self.layout).fields(), self.size_here(setting))

    def refilling(self, setting: Setting, nbytes: int) -> int:
        """Bytes of blocks that wait to be filled up, or are filled up."""
        return (self.workers or setting.cpus) * nbytes + WAITING * nbytes if self.refilled(setting) else 0

    def batch_of(self, records: LayoutRecords, size: int) -> int:
        """Bytes of a batch of so many of these records, as far as they tell."""
        layout = check_layout(records.name, records.layouts, self.layout)
        attending = getattr(records, "attending_bytes", None)  # see `LayoutRecords`
        beside = 0 if attending is None else attending(layout, size)
        return batch_bytes(records.fields(layout), size) + beside


@names_keywords
def batch(  # noqa: PLR0913 - each is a choice of its own
    size: int | None = None,
    *,
    atoms: int | None = None,
    edges: int | None = None,
    layout: str | None = None,
    drop_last: bool = False,
    across_lanes: bool = False,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Make batches of records, of rows, or of other batches of arrays.

    Every batch but the last has exactly `size` samples; with `drop_last=True` the last one, too. What is too
    large was left out where rows begin. What turns out bad when it is read (it is not finite, or cannot be
    read, or `missing="skip"` leaves it out) is replaced by the samples that follow: the stream is the good
    samples in their order, cut to size, the same for any number of workers. Batches are written as if all
    were good, and cut anew from the first bad one on; where none can be left out, that costs nothing.

    A budget instead of a size, for rows of different size: `atoms=4096` takes as many molecules as there are
    slots for. With slots of their own (`PackedMolecules(num_atoms=(20, 40, 60))`) each batch holds molecules
    of one slot, 204, 102 or 68 of them: one shape a slot, no padding to another, and no need for a `bucket`.
    `edges=` takes as many as their pairs of atoms fit. Batches that a budget cuts grow side by side, one for
    each slot, and are not filled up where a row turns out bad. Directly behind `shard()`, ranks are dealt
    whole batches, as many to each.

    Args:
        size: samples of a batch.
        atoms: slots of atoms of a batch, padding included, at most.
        edges: pairs of atoms of a batch, at most; a molecule without any counts as one.
        layout: which arrays a record becomes, by name, as its format offers them; None: its first
            layout. For lc0: "tensors", "tuple" or "bits".
        drop_last: whether what is too little for a batch at the end of the stream is dropped, and
            counted; else it makes a smaller last batch, or one for each slot.
        across_lanes: behind `shard(lanes=V)`: `size` is that of a step of all ranks together, with size / V
            samples of every lane, of which each rank has those of its own lanes: the same samples in the
            same step, and so the same gradient, for any number of ranks. False: each rank gets batches of
            this size, one lane after the other.
        workers: batches that may be encoded at once; None: as many as the run has CPUs.
        on_error: what a bad sample does: "raise" ends the run, "skip" counts it as dropped, alone. Arrays
            that do not fit those of the same batch are bad, too.
        max_errors: under "skip": how many samples (int) or which share (float) may be skipped.

    Examples:
        >>> graph = fl.rows({"x": np.arange(10)}) >> fl.batch(4)
        >>> with graph.iterate() as batches:
        ...     print([batch["x"].tolist() for batch in batches])
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        >>> from flowload.formats.molecules import PackedMolecules
        >>> molecules = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=(9, 18, 26)))
        >>> with (molecules >> fl.shuffle() >> fl.batch(atoms=234, drop_last=True)).iterate() as batches:
        ...     print(sorted({batch["Z"].shape for batch in batches}))
        [(9, 26), (13, 18), (26, 9)]
    """
    wanted = {"size": size, "atoms": atoms, "edges": edges}
    said = {name: limit for name, limit in wanted.items() if limit is not None}
    if len(said) != 1:
        raise GraphError(f"batch: {' and '.join(said) or 'nothing'} given; wanted one of size, atoms, edges")
    ((name, limit),) = said.items()
    how: dict[str, Any] = {"layout": layout, "drop_last": drop_last, "workers": workers}
    how |= {"on_error": on_error, "max_errors": max_errors}
    if name == "size":
        return place(BatchStage(size=limit, across_lanes=across_lanes, **how))
    if across_lanes:
        raise GraphError("batch: across_lanes=True takes as many samples of each lane; that is for a size")
    return place(BudgetStage(budget=Budget(name, limit), **how))
