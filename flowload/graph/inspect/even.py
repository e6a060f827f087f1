"""Whether all ranks of a training get as many batches of a graph: what may make them differ, and where."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from flowload.abc.operators import Setting
from flowload.errors import GraphError
from flowload.graph.node import Share
from flowload.graph.plan import Placed, Plan

__all__ = ["Risk", "find_risks", "from_environment", "shares_of"]


class Risk(NamedTuple):
    """A stage behind a shard that may give another number of samples, or of blocks, on another rank."""

    node: str
    where: str  #: file and line of the declaration
    why: str
    known: bool  #: it does so as a rule; else only a run can tell


def from_environment(name: str, absent: int) -> int:
    """A number that torchrun sets. Raises GraphError for anything else."""
    text = os.environ.get(name)
    if text is None:
        return absent
    if not text.strip().isdecimal():
        raise GraphError(f"the environment variable {name} is {text!r}; wanted a number")
    return int(text)


def shares_of(plan: Plan) -> dict[str, Share]:
    """Which part of the data this rank takes, by the node that takes it."""
    shares = {placed.name: placed.stage.share() for placed in plan.nodes}
    return {name: share for name, share in shares.items() if share is not None}


def find_risks(plan: Plan, setting: Callable[[Placed], Setting]) -> Mapping[str, list[Risk]]:
    """What may make ranks differ, by output; an output without any is absent.

    Before a shard all ranks have the same stream. Behind it each has its own samples, as many as the others:
    so every stage there must give as many samples for as many, whatever they are, and at last blocks of one
    size. A stream that never ends cannot end unevenly.

    Args:
        plan: of the graph.
        setting: what a stage is told when it is opened.
    """
    shares = {name for name, share in shares_of(plan).items() if share.even and share.world > 1}
    found = {}
    for end in plan.ends:
        risks: dict[str, Risk] = {}
        for shard in shares:
            between = on_the_way(plan, shard, end.node)
            if between and not any(stage.growing for stage in plan[shard].upstream):
                for risk in risks_between(between, setting):
                    risks.setdefault(risk.node, risk)
        if risks:
            found[end.name] = list(risks.values())
    return found


def on_the_way(plan: Plan, first: str, last: str) -> list[Placed]:
    """The nodes from one to another, in the order of the flow; none where no way leads there."""
    behind = {first}
    for placed in plan.nodes:
        if any(origin.node in behind for origin in placed.inputs):
            behind.add(placed.name)
    before = {last}
    for placed in reversed(plan.nodes):
        if placed.name in before:
            before.update(origin.node for origin in placed.inputs)
    return [placed for placed in plan.nodes if placed.name in behind & before] if first in before else []


def risks_between(nodes: list[Placed], setting: Callable[[Placed], Setting]) -> Iterator[Risk]:
    """Of the nodes from a shard to an output."""
    for placed in nodes:
        why = placed.stage.uneven(setting(placed))
        if why is not None:
            yield Risk(placed.name, placed.node.where, why, known=True)
        elif not placed.stage.keeps:
            why = "it may leave samples out, whatever they are on this rank"
            yield Risk(placed.name, placed.node.where, why, known=False)
    if not any(placed.stage.cuts for placed in nodes):
        placed = nodes[-1]
        why = "there is no batch() behind the shard, so blocks differ in size"
        yield Risk(placed.name, placed.node.where, why, known=placed is nodes[0])  # it leaves out most itself
