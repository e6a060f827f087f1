"""`batch(atoms=)` and `batch(edges=)`: as many rows as a budget holds, in one leased buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from flowload.abc.amount import Amount
from flowload.abc.needs import Compiled, Need
from flowload.abc.operators import Operator, Setting
from flowload.abc.records import LayoutRecords
from flowload.abc.stage import Joins, check_counts, check_flags
from flowload.blocks import Batch, Rows
from flowload.errors import GraphError, NoLength
from flowload.graph import Stage
from flowload.stages.device.places import InPlaces, of_batches, workers_between
from flowload.stages.rows.reopened_tables import ReopenedTables, lacking, own_records

from .arrays.gather import check_layout
from .batch_memory import device_of, made_bytes, writing_bytes
from .budget import Budget, CutByBudget, PartsOfCut, budget_need
from .bundle import how_many
from .in_turn import CollateInTurn

__all__ = ["BudgetStage"]


@dataclass(frozen=True, kw_only=True)
class BudgetStage(Stage):
    """See `batch`."""

    word: ClassVar[str] = "batch"
    accepts: ClassVar[tuple[type, ...]] = (Rows,)
    makes: ClassVar[type] = Batch
    keeps: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    budget: Budget
    layout: str | None = None
    drop_last: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts("batch", **{self.budget.by: self.budget.limit})
        if not isinstance(self.layout, str | None):
            raise GraphError(f"batch: layout is {self.layout!r}; wanted the name of one, or None")
        check_flags("batch", drop_last=self.drop_last)

    def parameters(self) -> Mapping[str, object]:
        """As the user said them: `atoms` or `edges`."""
        rest = {name: value for name, value in super().parameters().items() if name != "budget"}
        return {self.budget.by: self.budget.limit, **rest}

    def cutter(self, tables: ReopenedTables) -> CutByBudget:
        """What cuts the rows: a shard directly before asks for it, and deals whole batches."""
        return CutByBudget(self.budget, drop_last=self.drop_last, tables=tables)

    def uneven(self, setting: Setting) -> str | None:
        """Ranks with other rows have other batches, unless whole batches were dealt."""
        if not comes_cut(setting):
            return f"{self.budget} makes other batches on each rank; put shard() directly before batch()"
        return super().uneven(setting) or lacking(setting)

    def joins(self, setting: Setting) -> Joins:  # noqa: ARG002 - wherever it stands
        """Encoding makes of each batch one, unless it is left out there."""
        return "within" if self.on_error == "raise" else "behind"

    def open(self, setting: Setting) -> Sequence[Operator]:
        """Cut the stream by reference; encode each piece. Raises GraphError for an unknown layout."""
        for records in own_records(setting):
            check_layout(records.name, records.layouts, self.layout)
        device = device_of(setting)
        encode = CollateInTurn(self.layout, device)
        places = partial(of_batches, (self.workers or setting.cpus) + workers_between(setting))
        made: Operator = encode if device is None else InPlaces(encode, places(0), places)
        own = None if comes_cut(setting) else self.cutter(ReopenedTables.before(setting))
        return PartsOfCut(own, together=self.together(setting)), made

    def together(self, setting: Setting) -> int:
        """How many batches go on as one block; 0: what comes behind takes no bundles.

        One where several lanes are here: a round is a batch of each.
        """
        nbytes = self.given_bytes(setting)
        if not setting.bundles:
            return 0
        alone = len(setting.here) <= 1 and not comes_cut(setting)
        return how_many(nbytes, swift=True) if nbytes and alone else 1

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """As many batches as the rows of all passes fill, or as a shard has dealt."""
        cut = comes_cut(setting)
        found = incoming[0] if cut else self.fill(incoming[0], setting.epochs or 1)
        return {"out": found.doubted(super().uneven(setting) or lacking(setting))}

    def fill(self, incoming: Amount, passes: int) -> Amount:
        """How many batches rows fill. Raises NoLength where their order decides, or nobody knows them."""
        if incoming.rows is None:
            raise NoLength(f"batch: which rows {self.budget} is to hold shows only when it runs")
        demand = self.budget.demand(incoming.rows)
        blocks = self.budget.batches(demand, passes, drop_last=self.drop_last)
        samples = None if self.drop_last else incoming.samples
        return Amount(samples=samples, blocks=blocks, unsure=incoming.unsure)

    def needs(self, setting: Setting) -> Iterator[Need]:
        """The kernel that cuts, and those that write the layout."""
        yield budget_need()
        for records in own_records(setting):
            if isinstance(records, Compiled):
                yield from records.needs(self.layout or records.layouts[0])

    def memory(self, setting: Setting) -> int:
        """Batches at work and on their way."""
        together, workers = max(1, self.together(setting)), self.workers or setting.cpus
        writing = writing_bytes(own_records(setting), self.layout, self.budget.by, self.budget.limit)
        return made_bytes(setting, workers, self.given_bytes(setting), together) + workers * writing

    def given_bytes(self, setting: Setting) -> int:
        """Bytes of one batch, as far as they are known, for whoever stands behind it."""
        return max((self.batch_of(records) for records in own_records(setting)), default=0)

    def batch_of(self, records: LayoutRecords) -> int:
        """Bytes of a batch of these records, as far as they tell."""
        told = getattr(records, "budget_bytes", None)
        layout = check_layout(records.name, records.layouts, self.layout)
        return 0 if told is None else int(told(layout, self.budget.by, self.budget.limit))


def comes_cut(setting: Setting) -> bool:
    """Whether the stage directly before deals whole batches to ranks, cut by this one's budget."""
    before = setting.upstream[0] if setting.upstream else None
    if before is None or not getattr(before, "deals", False):
        return False
    share = before.share()
    return share is not None and (share.lanes or share.world) > 1
