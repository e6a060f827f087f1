"""What stands in a drawing: a node (a stage in its place), a port (its end)."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowload.abc.stage import Share, Stage, whole

__all__ = ["Node", "Port", "Share", "Stage", "whole"]


@dataclass(frozen=True, eq=False)
class Node:
    """A stage in its place.

    Nodes are compared by identity: two `fl.map(f)` are two nodes. `token` stays the same when a partial
    graph is joined to what comes before it, which makes new nodes.
    """

    stage: Stage
    inputs: tuple[Port | None, ...] = field(repr=False)  #: None: not joined yet
    name: str | None  #: given by the user; None: named after the stage's word
    where: str  #: file:line of the declaration, shown in errors
    token: object = field(default_factory=object, repr=False)


@dataclass(frozen=True)
class Port:
    """One output of a node."""

    node: Node
    name: str = "out"
