"""A stream of rows cut into batches by a budget: as many rows as fit, by reference."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Call, State
from flowload.abc.record_powers import Budgeted, Bulk, Demand
from flowload.abc.records import Numbers
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError, NoLength
from flowload.kernels.rows.budget import cut_by_budget
from flowload.stages.rows.pending import PendingRows
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowList

from .arrays.collate import BatchParts
from .in_turn import BatchRun

__all__ = ["Budget", "CutByBudget", "CutRows", "PartsOfCut", "budget_need"]

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


class CutRows:
    """Rows of one table, cut into batches.

    Args:
        origin: says which table; None: there are no batches.
        numbers: of the rows, batch after batch.
        borders: batch k has rows `borders[k]` to `borders[k + 1]`, counted from the first number.
    """

    def __init__(self, origin: Rows | None, numbers: Numbers, borders: NDArray[np.int64]) -> None:
        self.origin = origin
        self.numbers = numbers
        self.borders = borders

    def __len__(self) -> int:
        return len(self.borders) - 1

    def part(self, first: int, last: int) -> CutRows:
        """The batches from `first` up to `last`."""
        return CutRows(self.origin, self.numbers, self.borders[first : last + 1])

    def block(self) -> Rows:
        """All of them in one block."""
        assert self.origin is not None  # noqa: S101 - there are batches
        own = self.numbers[self.borders[0] : self.borders[-1]]
        return replace(self.origin, picks=RowList(own))

    def batches(self) -> Iterator[Rows]:
        """Each batch as a block of rows."""
        return (self.part(k, k + 1).block() for k in range(len(self)))


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
        return self.complete(block, call).batches()

    def complete(self, block: Rows, call: Call) -> CutRows:
        """The same in one block; none where none is complete."""
        fitting = self.fitting(block, call)
        if not len(fitting):
            return CutRows(block, np.empty(0, np.int64), np.zeros(1, np.int64))
        self.waiting.add(fitting)  # what waits is cut anew: it is little, and says where its batches stand
        cut, complete = self.cut(self.waiting.take())
        self.made += complete
        for rest in cut.part(complete, len(cut)).batches():
            self.waiting.add(rest)
        return cut.part(0, complete)

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

    def cut(self, block: Rows) -> tuple[CutRows, int]:
        """All batches of these rows: first those that are complete; and how many those are."""
        numbers, demand = block.picks.array(), self.budget.demand(block)
        owners, ended = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
        begun = np.empty((int(demand.kinds.max()) + 1, 3), np.int64)
        complete = cut_by_budget(
            demand.costs, demand.kinds, self.budget.limit, demand.padded, owners, begun, ended
        )
        growing = np.setdiff1d(owners, ended[:complete])  # rising: as they began
        given = np.concatenate([ended[:complete], growing])
        places = np.empty(len(given), np.int64)
        places[given] = np.arange(len(given))
        counts = np.bincount(places[owners], minlength=len(given))
        borders = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return CutRows(block, numbers[np.argsort(places[owners], kind="stable")], borders), complete

    def flush(self, call: Call) -> Iterator[Rows]:
        """The batches that are not complete, as they began, unless they are to be dropped."""
        return self.rest(call).batches()

    def rest(self, call: Call) -> CutRows:
        """The same in one block."""
        if not len(self.waiting):
            return CutRows(None, np.empty(0, np.int64), np.zeros(1, np.int64))
        rest = self.waiting.take()
        if self.drop_last:
            if not self.made:
                log.warning("batch: no batch at all: %d samples are too few for %s", len(rest), self.budget)
            call.drop(len(rest), "partial batch")
            return CutRows(None, np.empty(0, np.int64), np.zeros(1, np.int64))
        return self.cut(rest)[0]

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
        if self.inner is None:
            return iter((self.parts(block),))
        return self.runs(self.inner.complete(block, call))

    def flush(self, call: Call) -> Iterator[BatchParts | BatchRun]:
        """The batches that are left at the end of the stream."""
        return iter(()) if self.inner is None else self.runs(self.inner.rest(call))

    def runs(self, cut: CutRows) -> Iterator[BatchParts | BatchRun]:
        """Batches in turn, as many together as may be."""
        together = max(1, self.together)
        for first in range(0, len(cut), together):
            run = cut.part(first, min(first + together, len(cut)))
            if len(run) == 1:
                yield self.parts(run.block())
            else:
                yield BatchRun(run.block(), run.borders - run.borders[0])

    def parts(self, block: Rows) -> BatchParts:
        """One batch; `size` says that it is all of its block, and is looked at while it is written."""
        if self.together and self.asked[0] is not block.table:
            self.asked = block.table, isinstance(block.table, Bulk)
        at_once = self.together and self.asked[1]
        return BatchParts((block,), len(block) if at_once else None)

    def state(self) -> State:
        """The rows that wait, by reference; nothing where a shard has cut the batches."""
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
