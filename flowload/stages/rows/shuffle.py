"""`fl.shuffle`: all rows of a pass in random order, by reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from flowload.abc.operators import Call, Mark, Operator, Setting, State
from flowload.abc.records import Picks
from flowload.blocks import Rows
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.kernels.rows.bijection import ROUNDS

from .pending import PendingRows
from .reopened_tables import ReopenedTables
from .selection import PermutedRows, RowList, RowRange, picks_from_state

__all__ = ["Shuffle", "ShuffleStage", "shuffle"]

EXACT = 1 << 16  #: rows up to which every order is equally likely: drawn, and held
EMIT = 1 << 18  #: rows of a block: references
WORD = 1 << 32


@dataclass(frozen=True, kw_only=True)
class ShuffleStage(Stage):
    """The declaration of `shuffle`."""

    word: ClassVar[str] = "shuffle"
    accepts: ClassVar[tuple[type, ...]] = (Rows,)
    makes: ClassVar[type] = Rows
    keyed_by_pass: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Fold."""
        return (Shuffle(tables=ReopenedTables.before(setting), first_epoch=setting.first_epoch),)

    def memory(self, setting: Setting) -> int:  # noqa: ARG002 - the same in every setting
        """The drawn order of a small set; a large one needs nothing."""
        return EXACT * 8


class Shuffle:
    """A fold: collects the references of a pass, then gives them in random order.

    Args:
        tables: those that a restored state may name.
        first_epoch: number of the first pass: the order of a pass depends on its number alone.
    """

    def __init__(self, *, tables: ReopenedTables, first_epoch: int = 0) -> None:
        self.waiting = PendingRows("shuffle", tables)
        self.first_epoch = first_epoch
        self.passes = first_epoch  # number of the pass that is collected
        self.order: Rows | None = None  # the rest of a pass that is given now
        self.ends = False  # its pass is over

    @property
    def held(self) -> int:
        """Rows of a pass that is not complete yet."""
        return len(self.waiting) + (0 if self.order is None else len(self.order))

    def push(self, block: Rows, call: Call) -> Iterator[Rows]:  # noqa: ARG002 - nothing random yet
        """Collect a block's rows; gives nothing before the pass ends."""
        self.waiting.add(block)
        return iter(())

    def mark(self, mark: Mark, call: Call) -> Iterator[Rows]:
        """The pass is complete: give it."""
        if mark is Mark.EPOCH:
            self.ends = True
            yield from self.flush(call)

    def flush(self, call: Call) -> Iterator[Rows]:
        """What was collected, in random order."""
        if len(self.waiting):
            order = self.waiting.take()
            self.order = replace(order, picks=drawn(order.picks, call.rng(self.passes)))
        yield from self.resume(call)

    def resume(self, call: Call) -> Iterator[Rows]:  # noqa: ARG002 - the order is drawn
        """The rest of a pass that is given."""
        while self.order is not None and len(self.order):
            part, self.order = self.order.select(slice(0, EMIT)), self.order.select(slice(EMIT, None))
            yield part
        self.order = None
        self.passes += self.ends
        self.ends = False

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {"reshuffles": self.passes - self.first_epoch}

    def state(self) -> State:
        """What was collected, and the number of its pass."""
        order = None
        if self.order is not None:
            number = self.waiting.tables.number(self.order)
            order = {"table": number, "picks": self.order.picks.state()}
        return {
            "passes": self.passes,
            "waiting": self.waiting.state(),
            "order": order,
            "ends": self.ends,
        }

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.passes, self.ends = state["passes"], state["ends"]
        self.waiting.restore(state["waiting"])
        if (order := state["order"]) is not None:
            self.order = self.waiting.tables.block(order["table"], picks_from_state(order["picks"]), None)

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.waiting.tables.close()


def drawn(base: Picks, rng: np.random.Generator) -> Picks:
    """A random order of all of these."""
    n = len(base)
    if n <= EXACT:
        return RowList(base.at(rng.permutation(n)))
    return PermutedRows(base, rng.integers(0, WORD, ROUNDS, np.uint64), RowRange(0, n))


@names_keywords
def shuffle() -> Graph:
    """Give all rows of a pass in a random order, each once; another order in every pass.

    Up to 65,536 rows every order is equally likely. Above, the order is a keyed bijection, computed where
    it is used: a whole data set costs no memory, a part of one (behind `split`) 4 bytes a row.

    Examples:
        >>> graph = fl.rows({"x": np.arange(8)}) >> fl.shuffle() >> fl.batch(8)
        >>> with graph.iterate(seed=0, epochs=2) as batches:
        ...     first, second = (batch["x"].tolist() for batch in batches)
        >>> first != second, sorted(first) == sorted(second)
        (True, True)
    """
    return place(ShuffleStage())
