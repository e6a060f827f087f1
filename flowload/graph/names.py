"""What nodes and outputs can be called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from flowload.errors import GraphError

__all__ = ["check_name", "check_node_name", "near"]


def check_name(name: object, what: str) -> None:
    """Raise GraphError unless this can be the name of a node or an output."""
    if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name or "." in name:
        raise GraphError(f"{what} cannot be named {name!r}; wanted printable text without a dot")


def check_node_name(name: object) -> None:
    """Raise GraphError unless a node can have this name."""
    check_name(name, "a node")
    if name == "total":
        raise GraphError("a node cannot be named 'total': memory() keeps that word for the sum")


def near(name: str, known: Iterable[str]) -> str:
    """What a message says of the known name that is nearest; nothing where none is near."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {found[0]!r}?" if found else ""
