"""A drawing read in flow order: shared nodes found again, names given, ports typed and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from flowload.abc.operators import Block
from flowload.errors import GraphError

from .names import check_name
from .node import Node, Port, Stage

__all__ = ["UNKNOWN", "Ends", "Flow", "Tap", "outputs_of", "ports_of", "read_flow", "type_name"]

Ends: TypeAlias = tuple[tuple[str, Port], ...]  #: the open ends of a drawing: name, port


class Tap(NamedTuple):
    """The node and port from which an input takes its blocks."""

    place: int  #: of the node in `Flow.nodes`
    port: str


@dataclass(frozen=True)
class Flow:
    """A drawing, flat. The tuples go with each other, one entry a node, sources before their readers.

    Two node objects are one node when token and inputs are the same: a shared stage that was joined
    twice is found again, a partial graph that was joined to two heads stands for two.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[tuple[Tap | None, ...], ...]  #: None: not joined yet
    names: tuple[str, ...]
    gives: tuple[Mapping[str, type], ...]  #: port name to type; `object`: anything, or not known yet
    index: Mapping[Node, int]  #: every node object of the drawing to its place

    def tap(self, port: Port) -> Tap:
        """A port of the drawing by its node's place."""
        return Tap(self.index[port.node], port.name)

    def label(self, tap: Tap) -> str:
        """What messages call a port."""
        return port_label(self.names[tap.place], tap.port, self.gives[tap.place])


def read_flow(ends: Ends, sinks: Iterable[Node] = ()) -> Flow:
    """Flatten a drawing and check its wiring; raises GraphError."""
    roots = [port.node for _, port in ends] + list(sinks)
    nodes, inputs, index = join_shared(in_flow_order(roots))
    names = give_names(nodes)
    gives = type_ports(nodes, inputs, names)
    flow = Flow(tuple(nodes), tuple(inputs), names, gives, index)
    check_readers(flow, ends)
    return flow


def in_flow_order(roots: Iterable[Node]) -> list[Node]:
    """Every node object that the roots depend on, and the roots, inputs first."""
    order: dict[Node, None] = {}
    # A stack of our own: a long chain must not meet the interpreter's recursion limit.
    stack = list(reversed(list(roots)))
    while stack:
        node = stack[-1]
        waiting = [port.node for port in node.inputs if port is not None and port.node not in order]
        if waiting and node not in order:
            stack.extend(reversed(waiting))
        else:
            order.setdefault(stack.pop())
    return list(order)


def join_shared(
    order: Iterable[Node],
) -> tuple[list[Node], list[tuple[Tap | None, ...]], dict[Node, int]]:
    """One node for all objects with the same token and inputs."""
    nodes: list[Node] = []
    inputs: list[tuple[Tap | None, ...]] = []
    index: dict[Node, int] = {}
    places: dict[tuple[object, tuple[Tap | None, ...]], int] = {}
    for node in order:
        taps = tuple(None if port is None else Tap(index[port.node], port.name) for port in node.inputs)
        place = index[node] = places.setdefault((node.token, taps), len(nodes))
        if place == len(nodes):
            nodes.append(node)
            inputs.append(taps)
        else:
            nodes[place] = with_one_name(nodes[place], node)
    return nodes, inputs, index


def with_one_name(node: Node, again: Node) -> Node:
    """The node by whichever name the user gave it."""
    if again.name is None or again.name == node.name:
        return node
    if node.name is None:
        return replace(node, name=again.name)
    raise GraphError(f"two names, {node.name!r} and {again.name!r}, for the one node of {node.where}")


def give_names(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The users' names, and the stages' words, numbered where they repeat, for the others."""
    given: dict[str, Node] = {}
    for node in nodes:
        if node.name is not None and given.setdefault(node.name, node) is not node:
            raise GraphError(
                f"two nodes are named {node.name!r}: one declared at {given[node.name].where}, "
                f"the other at {node.where}; rename one with .named(...)"
            )
    taken = set(given)
    return tuple(free_name(node.stage.word, taken) if node.name is None else node.name for node in nodes)


def free_name(word: str, taken: set[str]) -> str:
    """`word`, `word_2`, `word_3` ...: the first that is free, which is then taken."""
    name, number = word, 1
    while name in taken:
        number += 1
        name = f"{word}_{number}"
    taken.add(name)
    return name


class Writer(NamedTuple):
    """What an input reads."""

    label: str
    kind: type
    where: str


UNKNOWN = Writer("?", object, "?")  #: an input that is not joined yet


def type_ports(
    nodes: Sequence[Node], inputs: Sequence[tuple[Tap | None, ...]], names: Sequence[str]
) -> tuple[Mapping[str, type], ...]:
    """What every node gives, each input checked against what its node takes."""
    gives: list[Mapping[str, type]] = []
    for node, taps, name in zip(nodes, inputs, names, strict=True):
        writers = [
            UNKNOWN if tap is None else writer_of(tap, nodes[tap.place], names[tap.place], gives[tap.place])
            for tap in taps
        ]
        for label, kind, where in writers:
            if not fits(kind, node.stage.accepts):
                raise GraphError(
                    f"{label!r} gives {type_name(kind)}, but {name!r} takes {takes(node)}; "
                    f"{label!r} is declared at {where}, {name!r} at {node.where}"
                )
        gives.append(outputs_of(node, name, writers))
    return tuple(gives)


def writer_of(tap: Tap, node: Node, name: str, gives: Mapping[str, type]) -> Writer:
    """The port that a tap leads to; raises GraphError when the node has none of that name."""
    if tap.port not in gives:
        raise GraphError(f"{name!r}, declared at {node.where}, has no output {tap.port!r}")
    return Writer(port_label(name, tap.port, gives), gives[tap.port], node.where)


def outputs_of(node: Node, name: str, writers: Sequence[Writer]) -> Mapping[str, type]:
    """What a node gives; what its stage finds wrong with its inputs is told with their lines."""
    try:
        return ports_of(node.stage, [writer.kind for writer in writers])
    except GraphError as error:
        read = "".join(
            f", {label!r} ({type_name(kind)}) at {where}" for label, kind, where in writers if where != "?"
        )
        raise GraphError(f"{error}; {name!r} is declared at {node.where}{read}") from error


def ports_of(stage: Stage, incoming: Sequence[type]) -> Mapping[str, type]:
    """What a stage gives. Raises GraphError where what it says makes no outputs."""
    kind = type(stage).__name__
    given: object = stage.gives(incoming)
    if not isinstance(given, Mapping):
        raise GraphError(
            f"{stage.word}: {kind}.gives() gave {'nothing' if given is None else repr(given)}; "
            "wanted output names with the classes of their blocks, such as {'out': Batch}"
        )
    for name, carried in given.items():
        check_name(name, f"{stage.word}: an output of {kind}")
        if not isinstance(carried, type):
            said = f"{kind}.gives() says {name!r} carries {carried!r}"
            raise GraphError(f"{stage.word}: {said}; wanted a class")
    return dict(given)


def port_label(name: str, port: str, gives: Mapping[str, type]) -> str:
    """What messages call a port: 'read', or 'split.train' where the node has several."""
    return name if len(gives) == 1 else f"{name}.{port}"


def fits(given: type, accepted: Sequence[type]) -> bool:
    """Whether a port may be joined to an input; `object` (or `Block`) on either side leaves it to the run."""
    return any(object in (given, kind) or kind is Block or issubclass(given, kind) for kind in accepted)


def type_name(kind: type) -> str:
    """What messages and pictures call a port type."""
    return "anything" if kind is object or kind is Block else kind.__name__


def takes(node: Node) -> str:
    """The types that a node takes, in words."""
    return " or ".join(map(type_name, node.stage.accepts)) or "no input (it is a source)"


def check_readers(flow: Flow, ends: Ends) -> None:
    """A port has one reader: blocks may be changed in place by whoever reads them."""
    readers: dict[Tap, str] = {}
    reads = [
        (tap, f"{name!r} ({node.where})")
        for node, taps, name in zip(flow.nodes, flow.inputs, flow.names, strict=True)
        for tap in taps
        if tap is not None
    ]
    reads += [(flow.tap(port), f"the output {name!r}") for name, port in ends]
    for tap, reader in reads:
        writer_of(tap, flow.nodes[tap.place], flow.names[tap.place], flow.gives[tap.place])
        if tap in readers:
            raise GraphError(
                f"{flow.label(tap)!r} has two readers, {readers[tap]} and {reader}; put a tee(...) between"
            )
        readers[tap] = reader
