"""Folders that lie elsewhere than when a state was saved: the paths in it are led there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowload.abc.growing import Rooted
from flowload.runtime.tasks.call import Member

__all__ = ["moved", "roots_of"]

Roots = Mapping[str, Sequence[str]]


def roots_of(members: Iterable[Member]) -> dict[str, list[str]]:
    """The folders below which each source finds its files, by node. Raises DataError, noted."""
    found = {}
    for member in members:
        if isinstance(member.operator, Rooted):
            with member:
                found[member.node] = list(member.operator.roots())
    return found


def moved(part: Any, before: Roots, now: Roots) -> Any:
    """A part of a state, in which sources are below the folders as they are now."""
    pairs = {
        old: new
        for node, roots in before.items()
        for old, new in zip(roots, now.get(node, ()), strict=False)
        if old != new
    }
    return led(part, elsewhere(pairs)) if pairs else part


def elsewhere(pairs: Mapping[str, str]) -> Callable[[str], str]:
    """Leads a path from the innermost of the folders that it is below to where that lies now."""
    inside = sorted(
        ((old.rstrip("/") + "/", new.rstrip("/") + "/") for old, new in pairs.items()), reverse=True
    )

    def lead(path: str) -> str:
        return next((new + path[len(old) :] for old, new in inside if path.startswith(old)), path)

    return lead


def led(part: Any, lead: Callable[[str], str]) -> Any:
    """The same with every list of `paths` led elsewhere."""
    if isinstance(part, Mapping):
        return {
            key: [path if path is None else lead(path) for path in value]
            if key == "paths" and isinstance(value, list)
            else led(value, lead)
            for key, value in part.items()
        }
    return [led(value, lead) for value in part] if isinstance(part, list) else part
