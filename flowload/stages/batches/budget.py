"""A stream of rows cut into batches by a budget: as many rows as fit, by reference."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from flowload.abc.needs import Need
from flowload.abc.operators import Call, State
from flowload.abc.record_powers import Budgeted, Bulk, Demand
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError, NoLength
from flowload.kernels.rows.budget import cut_by_budget
from flowload.stages.rows.pending import PendingRows
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowList

from .collate import BatchParts
from .in_turn import BatchRun

__all__ = ["Budget", "CutByBudget", "PartsOfCut", "budget_need"]

log = logging.getLogger("flowload")


@dataclass(frozen=True)
class Budget:
    """At most so much of something in a batch, such as 4,096 slots of atoms."""

    by: str  #: "atoms" or "edges": see `Budgeted`
    limit: int

    def __str__(self) -> str:
        return f"{self.by}={self.limit}"

    def demand(self, block: Rows) -> Demand:
        """What each row takes. Raises GraphError for rows that take nothing anybody knows."""
        table = block.table
        if not isinstance(table, Budgeted) or self.by not in table.budgets:
            known = ", ".join(map(repr, getattr(table, "budgets", ()))) or "none"
            raise GraphError(
                f"batch: {type(table).__name__} has no budget {self.by!r}; it has {known}; use batch(size)"
            )
        return table.demand(self.by, block.picks.array())

    def batches(self, demand: Demand, passes: int, *, drop_last: bool) -> int:
        """Batches of these rows, so often, in any order. Raises NoLength where their order decides."""
        if not (demand.padded and demand.even):
            raise NoLength(f"batch: how many batches {self} makes depends on the order of rows")
        total = 0
        for kind in np.unique(demand.kinds).tolist():
            costs = demand.costs[demand.kinds == kind]
            full, count = self.limit // int(costs[0]), len(costs) * passes
            if not full:
                raise NoLength(f"batch: rows that take {costs[0]} do not fit into {self}")
            total += count // full if drop_last else -(-count // full)
        return total


class CutByBudget:
    """A fold: one block of rows for each batch; see `cut_by_budget`.

    Args:
        budget: of a batch.
        drop_last: drop batches that are not complete at the end; else they are given, in the order in which
            they began.
        tables: those that a restored state may name.
    """

    def __init__(self, budget: Budget, *, drop_last: bool, tables: ReopenedTables) -> None:
        self.budget = budget
        self.drop_last = drop_last
        self.waiting = PendingRows("batch", tables)
        self.made = 0  # batches

    @property
    def held(self) -> int:
        """Rows of batches that are not complete."""
        return len(self.waiting)

    def push(self, block: Rows, call: Call) -> Iterator[Rows]:
        """The batches that are complete with this block. A row that is too much by itself is rejected."""
        fitting = self.fitting(block, call)
        if not len(fitting):
            return
        self.waiting.add(fitting)  # what waits is cut anew: it is little, and says where its batches stand
        together = self.waiting.take()
        batches, complete = self.cut(together)
        self.made += complete
        for rest in batches[complete:]:
            self.waiting.add(rest)
        yield from batches[:complete]

    def fitting(self, block: Rows, call: Call) -> Rows:
        """The rows that fit into a batch at all; the others are rejected."""
        costs = self.budget.demand(block).costs
        if not len(costs) or costs.max() <= self.budget.limit:
            return block
        numbers = block.picks.array()
        for row, cost in zip(
            numbers[costs > self.budget.limit], costs[costs > self.budget.limit], strict=True
        ):
            where, found = block.table.describe(int(row)), f"{cost} {self.budget.by}"
            wanted = f"at most those of a batch, {self.budget}"
            call.reject(DataError("too large for a batch", where=where, found=found, wanted=wanted))
        return replace(block, picks=RowList(numbers[costs <= self.budget.limit]))

    def cut(self, block: Rows) -> tuple[list[Rows], int]:
        """All batches of these rows: those that are complete, and how many those are; then the others."""
        numbers, demand = block.picks.array(), self.budget.demand(block)
        owners, ended = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
        begun = np.empty((int(demand.kinds.max()) + 1, 3), np.int64)
        complete = cut_by_budget(
            demand.costs, demand.kinds, self.budget.limit, demand.padded, owners, begun, ended
        )
        growing = np.setdiff1d(owners, ended[:complete])  # rising: as they began
        own = np.argsort(owners, kind="stable")
        borders = np.searchsorted(owners[own], np.arange(owners.max() + 2))
        return [
            replace(block, picks=RowList(numbers[own[borders[batch] : borders[batch + 1]]]))
            for batch in (*ended[:complete].tolist(), *growing.tolist())
        ], complete

    def flush(self, call: Call) -> Iterator[Rows]:
        """The batches that are not complete, as they began, unless they are to be dropped."""
        if not len(self.waiting):
            return
        rest = self.waiting.take()
        if self.drop_last:
            if not self.made:
                log.warning("batch: no batch at all: %d samples are too few for %s", len(rest), self.budget)
            call.drop(len(rest), "partial batch")
            return
        batches, _ = self.cut(rest)
        yield from batches

    def state(self) -> State:
        """The rows that wait, as JSON values."""
        return {"waiting": self.waiting.state(), "made": self.made}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.waiting.restore(state["waiting"])
        self.made = state["made"]

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.waiting.tables.close()


class PartsOfCut:
    """A fold: the blocks of rows that another cut, each as the parts of a batch.

    Args:
        cut: makes them; None: they come cut.
        together: how many batches go on as one block; 0: what comes behind takes no bundles.
    """

    def __init__(self, cut: CutByBudget | None, *, together: int) -> None:
        self.inner = cut
        self.together = together
        self.asked: tuple[object, bool] = (None, False)  # the last table, and whether it is `Bulk`

    @property
    def held(self) -> int:
        """Rows that wait."""
        return 0 if self.inner is None else self.inner.held

    def push(self, block: Rows, call: Call) -> Iterator[BatchParts | BatchRun]:
        """The batches that are complete with this block."""
        return self.runs(iter((block,)) if self.inner is None else self.inner.push(block, call))

    def flush(self, call: Call) -> Iterator[BatchParts | BatchRun]:
        """The rest."""
        return iter(()) if self.inner is None else self.runs(self.inner.flush(call))

    def runs(self, blocks: Iterator[Rows]) -> Iterator[BatchParts | BatchRun]:
        """Batches in turn, as many together as may be."""
        while batches := tuple(map(self.parts, islice(blocks, max(1, self.together)))):
            yield batches[0] if len(batches) == 1 else BatchRun(batches)

    def parts(self, block: Rows) -> BatchParts:
        """One batch; `size` says that it is all of its block, and is looked at while it is written."""
        if self.together and self.asked[0] is not block.table:
            self.asked = block.table, isinstance(block.table, Bulk)
        at_once = self.together and self.asked[1]
        return BatchParts((block,), len(block) if at_once else None)

    def state(self) -> State:
        """What waits."""
        return {} if self.inner is None else self.inner.state()

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        if self.inner is not None:
            self.inner.restore(state)

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        if self.inner is not None:
            self.inner.close()


def budget_need() -> Need:
    """The kernel that cuts."""
    numbers = np.empty(2, np.int64)
    return cut_by_budget, (numbers, numbers, 1, True, numbers, numbers.reshape(1, 2), numbers)
