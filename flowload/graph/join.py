"""How two drawings become one: fill the open inputs, rebuild what hangs behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from flowload.errors import GraphError

from .flow import Ends, Flow
from .node import Node, Port, Stage

__all__ = ["join", "no_graph", "rename", "restage"]


class Drawing(Protocol):
    """What joining needs to know of a graph: its open ends and sinks."""

    @property
    def ends(self) -> Ends:
        """Outputs that nobody reads yet, by name."""

    @property
    def sinks(self) -> tuple[Node, ...]:
        """Nodes without an output, such as what `drop` makes."""

    @property
    def flow(self) -> Flow:
        """The nodes of the drawing and what flows between them."""


def join(heads: Sequence[Drawing], tail: Drawing) -> tuple[Ends, tuple[Node, ...]]:
    """Ends and sinks of the drawing in which every open input of `tail` reads the heads' single ends."""
    entry = entry_of(tail)
    ports = tuple(single_end(head, tail, entry) for head in heads)
    node = tail.flow.nodes[entry]
    if len(ports) > 1 and not node.stage.fan_in:
        raise GraphError(
            f"{tail.flow.names[entry]!r} takes one input, not {len(ports)}: put a merge before it; "
            f"it is declared at {node.where}"
        )
    for head in heads:
        refuse_cycle(head, tail, entry)
    inputs = tuple(p for port in node.inputs for p in (ports if port is None else (port,)))
    ends, sinks = rebuild(tail, entry, replace(node, inputs=inputs))
    return ends, (*(sink for head in heads for sink in head.sinks), *sinks)


def rename(drawing: Drawing, name: str) -> tuple[Ends, tuple[Node, ...]]:
    """Ends and sinks of the drawing in which the last node has this name."""
    flow = drawing.flow
    last = {flow.index[port.node] for _, port in drawing.ends} or {flow.index[s] for s in drawing.sinks}
    if len(last) != 1:
        names = ", ".join(repr(flow.names[index]) for index in sorted(last))
        raise GraphError(f"named({name!r}): this graph ends in several nodes: {names}")
    index = last.pop()
    return rebuild(drawing, index, replace(flow.nodes[index], name=name))


def restage(drawing: Drawing, name: str, stage: Stage) -> tuple[Ends, tuple[Node, ...]]:
    """Ends and sinks of the drawing in which another stage stands at the place of this name."""
    flow = drawing.flow
    index = flow.names.index(name)
    return rebuild(drawing, index, replace(flow.nodes[index], stage=stage, name=name))


def entry_of(tail: Drawing) -> int:
    """The one node of `tail` that waits for input."""
    flow = tail.flow
    waiting = [index for index, taps in enumerate(flow.inputs) if None in taps]
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        names = ", ".join(f"{flow.names[index]!r} ({flow.nodes[index].where})" for index in waiting)
        raise GraphError(f"the graph on the right of '>>' waits for input in several places: {names}")
    first = flow.nodes[0]
    raise GraphError(
        f"the graph on the right of '>>' has no open input: it begins with the source {flow.names[0]!r}, "
        f"declared at {first.where}"
    )


def single_end(head: Drawing, tail: Drawing, entry: int) -> Port:
    """The one end of `head`."""
    if len(head.ends) == 1:
        return head.ends[0][1]
    name, node = tail.flow.names[entry], tail.flow.nodes[entry]
    found = "no output"
    if head.ends:
        several = ", ".join(repr(end) for end, _ in head.ends)
        found = f"several outputs ({several}); choose one, such as graph[{head.ends[0][0]!r}]"
    raise GraphError(f"{name!r}, declared at {node.where}, cannot be joined: its left has {found}")


def refuse_cycle(head: Drawing, tail: Drawing, entry: int) -> None:
    """Raise GraphError when a node behind the open input also stands before it."""
    end = head.flow.index[head.ends[0][1].node]
    before = {node.token: index for index, node in enumerate(head.flow.nodes)}
    for index in behind(tail.flow, entry):
        node = tail.flow.nodes[index]
        back = path(head.flow, before[node.token], end) if node.token in before else []
        if back:
            steps = [tail.flow.names[i] for i in path(tail.flow, entry, index)]
            steps += [head.flow.names[i] for i in back[1:]]
            raise GraphError(
                f"a cycle: {' >> '.join([*steps, tail.flow.names[entry]])}; {tail.flow.names[index]!r}, "
                f"declared at {node.where}, would feed itself; a second pass needs a second node"
            )


def behind(flow: Flow, start: int) -> list[int]:
    """`start` and everything that depends on it, in flow order."""
    found: dict[int, None] = {start: None}
    for index, taps in enumerate(flow.inputs):
        if any(tap is not None and tap.place in found for tap in taps):
            found[index] = None
    return list(found)


def path(flow: Flow, start: int, stop: int) -> list[int]:
    """Nodes from `start` down to `stop`, both included; empty when no edge leads there."""
    came_from: dict[int, int] = {stop: stop}
    for index in (queue := [stop]):
        for tap in flow.inputs[index]:
            if tap is not None and tap.place not in came_from:
                came_from[tap.place] = index
                queue.append(tap.place)
    if start not in came_from:
        return []
    steps = [start]
    while steps[-1] != stop:
        steps.append(came_from[steps[-1]])
    return steps


def rebuild(drawing: Drawing, index: int, node: Node) -> tuple[Ends, tuple[Node, ...]]:
    """Ends and sinks of the drawing with one node replaced, and with it all that hangs behind it."""
    flow = drawing.flow
    new: list[Node] = []
    for number, (old, taps) in enumerate(zip(flow.nodes, flow.inputs, strict=True)):
        ports = tuple(None if tap is None else Port(new[tap.place], tap.port) for tap in taps)
        new.append(node if number == index else replace(old, inputs=ports))
    ends = tuple((name, Port(new[flow.index[port.node]], port.name)) for name, port in drawing.ends)
    return ends, tuple(new[flow.index[sink]] for sink in drawing.sinks)


def no_graph(value: object, side: str) -> GraphError:
    """The error for an operand that is no graph, which says how to make it one."""
    hint = ""
    if isinstance(value, Stage):
        hint = "; make it a graph with place(...)"
    elif isinstance(value, Sequence | Mapping):
        hint = "; a port has one reader: put a tee(...) between"
    elif callable(value):
        hint = "; call it, or wrap a function of your own in fl.map(...)"
    where = "outputs() takes graphs; there" if side == "outputs" else f"'>>' joins graphs; on its {side}"
    return GraphError(f"{where} is {value!r}{hint}")
