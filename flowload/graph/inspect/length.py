"""How many batches a graph gives, where arithmetic knows: no sample is read, and nothing runs.

Each stage says what comes out of it, given what comes in: see `Stage.amount`. What opens files for that (row
counts are in their headers) closes them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from flowload.abc.amount import Amount
from flowload.abc.operators import Setting
from flowload.errors import DataError, GraphError, NoLength
from flowload.graph.plan import ALONE, Plan

from .lanes import find_lanes

__all__ = ["Length", "amount_of", "length_of"]


def amount_of(plan: Plan, end: str, run: Setting = ALONE) -> Amount:
    """What an output gives in all passes. Raises NoLength that says which stage nobody can foretell."""
    if run.epochs is None:
        raise NoLength("epochs=None has no end, and so no length")
    times = run.epochs if run.align else 1
    run = replace(run, epochs=run.epochs // times)
    lanes = find_lanes(plan)
    known: dict[tuple[str, str], Amount | NoLength] = {}
    with ExitStack() as opened:
        for placed in plan.nodes:
            incoming = [known[origin] for origin in placed.inputs]
            setting = placed.setting(run)
            if lanes is not None:
                setting = lanes.setting(placed, setting)
            unknown = next((each for each in incoming if isinstance(each, NoLength)), None)
            given: Mapping[str, Amount | NoLength]
            try:
                if unknown is not None:
                    raise unknown
                sure = [each for each in incoming if isinstance(each, Amount)]
                given = placed.stage.amount(sure, setting, opened)
            except NoLength as error:
                given = dict.fromkeys(placed.outputs, error)
            known.update({(placed.name, port): given[port] for port in placed.outputs})
        found = next(known[each.node, each.port] for each in plan.ends if each.name == end)
    if isinstance(found, NoLength):
        raise found
    own, turns = (1, 1) if lanes is None else lanes.times(end)  # what was counted is of one lane
    blocks = None if found.blocks is None else found.blocks * times * turns
    samples = None if found.samples is None else found.samples * times * own
    return replace(found, samples=samples, blocks=blocks, rows=None, windows=None)


class Length(NamedTuple):
    """How many batches there are."""

    blocks: int  #: at most so many; 0 where nobody knows
    why: str | None = None  #: there may be fewer, or nobody knows

    def exact(self) -> int:
        """Raises NoLength, a TypeError as `len` wants it."""
        if self.why is not None:
            raise NoLength(self.why)
        return self.blocks


def length_of(plan: Plan, end: str | None = None, run: Setting = ALONE) -> Length:
    """Batches that a run gives of an output; None: of the only one."""
    if end is None and len(plan.ends) != 1:
        names = ", ".join(repr(each.name) for each in plan.ends) or "none"
        return Length(0, f"len() is of one output; this graph has {names}: ask one of them")
    name = plan.ends[0].name if end is None else end
    try:
        found = amount_of(plan, name, run)
    except (NoLength, DataError, GraphError, OSError) as error:
        return Length(0, str(error))
    if found.blocks is None:
        return Length(0, "no batch() in it: how its samples are cut shows only when it runs")
    most = f"at most {found.blocks:,} batches: {found.unsure}, and how many shows when it runs"
    return Length(found.blocks, most if found.unsure else None)
