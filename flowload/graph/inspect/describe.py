"""A drawing in words: plain rows that the command line, pictures and tests share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from flowload.graph.flow import takes, type_name
from flowload.graph.plan import Origin, Placed, Plan

from .plain import Plain, plain

__all__ = ["Inlet", "Outlet", "Row", "describe", "signature"]


class Inlet(TypedDict):
    """One input of a node; `node` and `port` are None where nothing is joined yet."""

    node: str | None
    port: str | None
    type: str


class Outlet(TypedDict):
    """One output of a node: read by the node `reader`, or an output of the graph called `end`, or neither."""

    port: str
    type: str
    reader: str | None
    end: str | None


class Row(TypedDict):
    """One node in the description of a graph."""

    name: str
    word: str
    parameters: dict[str, Plain]
    inputs: list[Inlet]
    outputs: list[Outlet]
    workers: int | None
    where: str


def describe(plan: Plan) -> list[Row]:
    """A row for each node, in flow order; JSON can hold it."""
    types = {
        Origin(p.name, port): kind
        for p in plan.nodes
        for port, kind in zip(p.outputs, p.carries, strict=True)
    }
    readers = plan.readers()
    ends = {Origin(end.node, end.port): end.name for end in plan.ends}
    return [
        Row(
            name=placed.name,
            word=placed.stage.word,
            parameters={name: plain(value) for name, value in placed.stage.parameters().items()},
            inputs=inlets(placed, types),
            outputs=[
                Outlet(port=port, type=type_name(kind), reader=readers.get(origin), end=ends.get(origin))
                for port, kind in zip(placed.outputs, placed.carries, strict=True)
                for origin in [Origin(placed.name, port)]
            ],
            workers=placed.stage.workers,
            where=placed.node.where,
        )
        for placed in plan.nodes
    ]


def inlets(placed: Placed, types: Mapping[Origin, type]) -> list[Inlet]:
    """The inputs, and one more with what it would take where nothing is joined yet."""
    joined = [Inlet(node=o.node, port=o.port, type=type_name(types[o])) for o in placed.inputs]
    waiting = [Inlet(node=None, port=None, type=takes(placed.node))] if placed.open else []
    return joined + waiting


def signature(rows: Sequence[Row]) -> str:
    """Everything that rows say but the lines of the declarations, as JSON: the same for equal drawings."""
    return json.dumps([{key: value for key, value in row.items() if key != "where"} for row in rows])
