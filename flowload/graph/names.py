"""What nodes and outputs can be called."""

from __future__ import annotations

from flowload.errors import GraphError

__all__ = ["check_name", "check_node_name"]


def check_name(name: object, what: str) -> None:
    """Raise GraphError unless this can be the name of a node or an output."""
    if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name or "." in name:
        raise GraphError(f"{what} cannot be named {name!r}; wanted printable text without a dot")


def check_node_name(name: object) -> None:
    """Raise GraphError unless a node can have this name."""
    check_name(name, "a node")
    if name == "total":
        raise GraphError("a node cannot be named 'total': memory() keeps that word for the sum")
