"""A graph with lanes, of one that has none: `fl.shard(lanes=...)` where its references begin."""

from __future__ import annotations

from dataclasses import replace

from flowload.blocks import Chunks, Rows
from flowload.errors import GraphError
from flowload.graph import Graph, Node, Port
from flowload.graph.plan import Placed
from flowload.stages.rows.shuffle import ShuffleStage
from flowload.stages.wiring.shard import ShardStage

__all__ = ["DEFAULT", "one_lane", "with_lanes"]

DEFAULT = 24  #: lanes: a number that many others divide


def with_lanes(graph: Graph, lanes: int | None) -> Graph:
    """The graph, with so many lanes; None: those that it has, or 24.

    A shard without lanes gets them. Where there is none, one is put behind the stage that lists chunks or
    rows, and behind a shuffle of rows that follows it.

    Raises GraphError for a graph with other lanes, and for one where it is not clear where they begin.
    """
    shards = [placed for placed in graph.plan.nodes if isinstance(placed.stage, ShardStage)]
    counts = [stage.lanes for placed in shards if isinstance(stage := placed.stage, ShardStage)]
    known = sorted({count for count in counts if count is not None})
    if known:
        if lanes is not None and known != [lanes]:
            raise GraphError(f"lanes is {lanes}, and the graph has {', '.join(map(str, known))}")
        return graph
    wanted = DEFAULT if lanes is None else lanes
    if shards:
        names = [placed.name for placed in shards]
        return changed(graph, {name: shard_of(graph, name, lanes=wanted) for name in names})
    return changed(graph, {beginning(graph).name: ShardStage(lanes=wanted)}, behind=True)


def one_lane(graph: Graph, lane: int) -> Graph:
    """A graph with lanes as a rank has it that has one of them."""
    shards = [placed for placed in graph.plan.nodes if isinstance(placed.stage, ShardStage)]
    count = next(stage.lanes for placed in shards if isinstance(stage := placed.stage, ShardStage))
    names = [placed.name for placed in shards]
    return changed(graph, {name: shard_of(graph, name, rank=lane, world=count) for name in names})


def shard_of(graph: Graph, name: str, **changes: int | None) -> ShardStage:
    """The shard of a node, with other parameters."""
    stage = graph.plan[name].stage
    assert isinstance(stage, ShardStage)  # noqa: S101 - it was chosen for that
    return replace(stage, **changes)  # type: ignore[arg-type]  # its own fields


def beginning(graph: Graph) -> Placed:
    """The node behind which lanes begin."""
    nodes, readers = graph.plan.nodes, graph.plan.readers()
    found = [
        placed
        for placed in nodes
        if any(issubclass(kind, Chunks | Rows) for kind in placed.carries)
        and not any(issubclass(kind, Chunks | Rows) for kind in placed.incoming)
    ]
    if len(found) != 1 or len(found[0].outputs) != 1:
        raise GraphError(
            f"the graph has no lanes, and {len(found)} places where they might begin: put fl.shard(lanes=24)"
            " into it"
        )
    (placed,) = found
    behind = next((name for origin, name in readers.items() if origin.node == placed.name), None)
    if behind is not None and isinstance(graph.plan[behind].stage, ShuffleStage):
        return graph.plan[behind]
    return placed


def changed(graph: Graph, stages: dict[str, ShardStage], *, behind: bool = False) -> Graph:
    """The drawing with other stages in some nodes; or (`behind`) with new nodes behind them."""
    made: dict[Node, Node] = {}
    named = dict(zip(graph.flow.nodes, graph.flow.names, strict=True))
    places = {node: graph.flow.nodes[place] for node, place in graph.flow.index.items()}

    def node_of(node: Node) -> Node:
        if node not in made:
            inputs = tuple(None if port is None else port_of(port) for port in node.inputs)
            stage = stages.get(named[places[node]]) if not behind else None
            made[node] = replace(node, inputs=inputs, stage=stage or node.stage)
        return made[node]

    def port_of(port: Port) -> Port:
        before = Port(node_of(port.node), port.name)
        stage = stages.get(named[places[port.node]])
        if not behind or stage is None:
            return before
        return Port(
            shards.setdefault(named[places[port.node]], Node(stage, (before,), None, port.node.where))
        )

    shards: dict[str, Node] = {}
    ends = tuple((name, port_of(port)) for name, port in graph.ends)
    return Graph(ends, tuple(map(node_of, graph.sinks)))
