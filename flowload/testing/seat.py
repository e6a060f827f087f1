"""Operators in their places, as the plan of a graph puts them, each with its counters and its account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from flowload.abc.operators import Fold, OnError, Operator, Setting, Turn
from flowload.abc.powers import Holding
from flowload.chance import stage_key
from flowload.errors import GraphError
from flowload.graph import Placed, Plan

from .call import Account

__all__ = ["Seat", "in_a_row", "seats_of"]


@dataclass(kw_only=True)
class Seat:
    """One operator, fed by hand, with its account."""

    name: str  #: of the node, with the operator's number where a stage has several
    operator: Operator
    key: tuple[int, int]
    on_error: OnError = "raise"
    readers: dict[str, Seat | str] = field(default_factory=dict)  #: by port; a str names an output
    account: Account = field(default_factory=Account)
    taken: int = 0  #: calls of a fold, passes of a source
    emptied: bool = False  #: the stream is over
    given: Counter[str] = field(default_factory=Counter)  #: blocks, by port

    @property
    def held(self) -> int:
        """Samples inside; of a fold that does not say, those that are nowhere else, until it is emptied."""
        if isinstance(self.operator, Holding):
            return self.operator.held
        if isinstance(self.operator, Fold) and not self.emptied:
            return max(0, self.account.unaccounted(0))
        return 0

    def unaccounted(self) -> int:
        """Samples that neither left nor stayed."""
        return self.account.unaccounted(self.held)


def in_a_row(
    operators: Sequence[Operator], name: str, *, seed: int, on_error: OnError = "raise"
) -> list[Seat]:
    """The operators of one stage, each reading the one before; nothing reads the last one yet."""
    names = [name] if len(operators) == 1 else [f"{name}.{k}" for k in range(len(operators))]
    seats = [
        Seat(name=own, operator=operator, key=stage_key(seed, name, k), on_error=on_error)
        for k, (own, operator) in enumerate(zip(names, operators, strict=True))
    ]
    for seat, reader in pairwise(seats):
        seat.readers["out"] = reader
    return seats


def seats_of(plan: Plan, run: Setting) -> list[Seat]:
    """Open every stage of a plan, in the order of the flow.

    Raises GraphError where streams join: whose turn it is there is the run's business.
    """
    seats: list[Seat] = []
    last: dict[str, Seat] = {}  # by node
    for placed in plan.nodes:
        row = open_row(placed, run)
        for origin in placed.inputs:
            last[origin.node].readers[origin.port] = row[0]
        last[placed.name] = row[-1]
        seats += row
    for end in plan.ends:
        last[end.node].readers[end.port] = end.name
    return seats


def open_row(placed: Placed, run: Setting) -> list[Seat]:
    """Open one stage."""
    operators = placed.stage.open(placed.setting(run))
    if len(placed.inputs) > 1 or any(isinstance(operator, Turn) for operator in operators):
        raise GraphError(
            f"{placed.name!r} joins streams; without a run only streams that never join are followed"
        )
    return in_a_row(operators, placed.name, seed=run.seed, on_error=placed.stage.on_error)
