"""The compiled form of a drawing: plain values, by name, that a run, a picture and a test read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from flowload.abc.operators import Setting

from .flow import Ends, Flow
from .node import Node, Stage

__all__ = ["ALONE", "End", "Origin", "Placed", "Plan", "make_plan"]

#: A run of one pass in one thread: for who asks a stage about a drawing that nobody runs.
ALONE = Setting(seed=0, epochs=1, cpus=1)


class Origin(NamedTuple):
    """The node and port that an input reads."""

    node: str
    port: str


class End(NamedTuple):
    """An output of the whole graph."""

    name: str  #: what the user calls it: `run[name]`
    node: str
    port: str


@dataclass(frozen=True)
class Placed:
    """One node of a plan.

    `outputs` and `carries` go with each other. `upstream` and `downstream` are the declarations before
    and behind this node, nearest first, each once.
    """

    name: str
    node: Node
    inputs: tuple[Origin, ...]
    outputs: tuple[str, ...]
    carries: tuple[type, ...]  #: what the outputs carry; `object`: anything
    open: bool  #: an input is not joined yet; never in a graph that passed `check()`
    upstream: tuple[Stage, ...]
    downstream: tuple[Stage, ...]
    incoming: tuple[type, ...] = ()  #: what the inputs carry

    @property
    def stage(self) -> Stage:
        """The declaration of what the node does."""
        return self.node.stage

    def setting(self, run: Setting = ALONE) -> Setting:
        """What the stage is told when it is opened at this place, in a run that is as `run` says."""
        return replace(
            run,
            upstream=self.upstream,
            downstream=self.downstream,
            bundles=all(stage.bundles for stage in self.downstream),
            incoming=self.incoming,
        )


@dataclass(frozen=True)
class Plan:
    """A whole drawing: nodes in flow order (sources before their readers), and its outputs.

    Every port is read at most once: by one input of one node, or by one end.
    """

    nodes: tuple[Placed, ...]
    ends: tuple[End, ...]

    def __getitem__(self, name: str) -> Placed:
        return next(placed for placed in self.nodes if placed.name == name)

    def readers(self) -> Mapping[Origin, str]:
        """The node that reads each port; ports that are ends, or that nobody reads, are absent."""
        return {origin: placed.name for placed in self.nodes for origin in placed.inputs}


def make_plan(flow: Flow, ends: Ends) -> Plan:
    """The plan of a drawing that was read."""
    before = [[tap.place for tap in taps if tap is not None] for taps in flow.inputs]
    behind: list[list[int]] = [[] for _ in flow.nodes]
    for reader, writers in enumerate(before):
        for writer in writers:
            behind[writer].append(reader)
    placed = tuple(
        Placed(
            name=name,
            node=node,
            inputs=tuple(Origin(flow.names[tap.place], tap.port) for tap in taps if tap is not None),
            outputs=tuple(gives),
            carries=tuple(gives.values()),
            open=None in taps,
            upstream=tuple(flow.nodes[i].stage for i in nearest_first(number, before)),
            downstream=tuple(flow.nodes[i].stage for i in nearest_first(number, behind)),
            incoming=tuple(flow.gives[tap.place][tap.port] for tap in taps if tap is not None),
        )
        for number, (node, name, taps, gives) in enumerate(
            zip(flow.nodes, flow.names, flow.inputs, flow.gives, strict=True)
        )
    )
    taps = ((name, flow.tap(port)) for name, port in ends)
    return Plan(placed, tuple(End(name, flow.names[tap.place], tap.port) for name, tap in taps))


def nearest_first(start: int, neighbours: Sequence[Iterable[int]]) -> list[int]:
    """Every node that can be reached, by distance; `start` itself is left out."""
    seen = {start: None}
    for node in (queue := [start]):
        for other in neighbours[node]:
            if other not in seen:
                seen[other] = None
                queue.append(other)
    return queue[1:]
