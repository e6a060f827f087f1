"""The exam of exact resume for lanes: ranks that come and go make one stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import lcm
from typing import Any

from flowload.abc.operators import State
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.inspect.lanes import find_lanes
from flowload.graph.node import Node, Port
from flowload.runtime.state.gather import gathered

from .bench import fail
from .content import copied, difference
from .resume_runs import as_often_as_can_be, through_json

__all__ = ["check_worlds", "of_rank"]

MOST = 4  #: ranks, at most: all of them run here


def check_worlds(graph: Graph, *, seed: int = 0, **how: Any) -> int:
    """Go on with other numbers of ranks, twice, and at last with one; from the parts of all, and of one rank.

    Then lanes are made again that its state lacks. What all ranks give must be the stream of one rank, bit
    for bit. Left out are graphs without lanes, with several outputs, or whose batches have rows of all lanes;
    and, where passes are kept apart, those whose ranks have to agree about their ends.

    Args:
        graph: what runs by itself; whichever rank its shard says.
        seed: of the runs.
        how: what else `iterate` takes.

    Returns:
        how often the number of ranks has changed.
    """
    lanes = find_lanes(graph.plan)
    if lanes is None or len(graph.plan.ends) != 1 or any(join.across for join in lanes.joins):
        return 0
    fit = [world for world in range(1, MOST + 1) if lanes.count % world == 0]
    align = how.get("align", False)
    order = {"seed": seed, **how, "align": align, "even": "auto" if align else "allow"}
    with of_rank(graph, 0, 1).iterate(**order) as run:
        whole = [copied(batch) for batch in run]
    try:
        return sum(change(graph, fit, whole, order, all_of_them=each) for each in (True, False))
    except GraphError as error:
        if "ranks would end in different steps" in str(error):
            return 0
        raise


def change(
    graph: Graph, fit: Sequence[int], whole: Sequence[Any], order: Mapping[str, Any], *, all_of_them: bool
) -> int:
    """Once, from the state of all ranks or of one; how often their number has changed."""
    found, state, changes = dict[int, Any](), None, 0
    for world in (*fit[:0:-1][:2], 1):
        steps = None if world == 1 else len(whole) // (3 * world)
        if steps is not None and order["align"]:  # an end of a step for any number of ranks
            steps -= steps % (lcm(*fit) // world)
        given, states = run_world(graph, world, steps, state, order)
        found |= given
        state = through_json(gathered(states) if all_of_them else states[-1])
        changes += 1
    again = [found[number] for number in sorted(found)]
    if changed := difference(whole, again, "the stream of all ranks"):
        what = "all ranks" if all_of_them else "one rank"
        fail(f"gone on with other numbers of ranks, from the state of {what}: {changed}")
    return changes


def run_world(
    graph: Graph, world: int, steps: int | None, state: State | None, order: Mapping[str, Any]
) -> tuple[dict[int, Any], Sequence[State]]:
    """Some steps of all ranks, one after the other: batches by their number in the stream, and the states."""
    found: dict[int, Any] = {}
    states = []
    for rank in range(world):
        with (
            as_often_as_can_be(),
            of_rank(graph, rank, world).iterate(**{**order, "state": state}) as run,
        ):
            since = 0 if state is None else sum(state["delivered"].values())
            number = since + (rank - since) % world
            for batch in run if steps is None else islice(run, steps):
                found[number] = copied(batch)
                number += world
            states.append(run.state_dict())
    return found, states


def of_rank(graph: Graph, rank: int, world: int) -> Graph:
    """The same drawing for a rank of a world, whatever its shards say."""
    known: dict[int, Node] = {}

    def port_of(port: Port) -> Port:
        return Port(node_of(port.node), port.name)

    def node_of(node: Node) -> Node:
        if id(node) not in known:
            inputs = tuple(None if each is None else port_of(each) for each in node.inputs)
            stage: Any = node.stage
            if stage.share() is not None:
                stage = replace(stage, rank=rank, world=world)
            known[id(node)] = replace(node, stage=stage, inputs=inputs)
        return known[id(node)]

    return Graph(
        tuple((name, port_of(port)) for name, port in graph.ends),
        tuple(node_of(node) for node in graph.sinks),
    )
