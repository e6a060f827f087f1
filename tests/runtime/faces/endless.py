"""A graph that never ends, and what a reader gets of one that does."""

from __future__ import annotations

import itertools

from flowload.graph import Graph
from tests.runtime.stages import (
    Yields,
    flat,
    ints,
    origin,
)

__all__ = ["endless", "read"]


def endless() -> Graph:
    return origin(Yields(lambda _: (ints([n]) for n in itertools.count())))


def read(graph: Graph) -> list[int]:
    with graph.iterate() as batches:
        return flat(batches)
