"""What `graph.iterate()` and `graph.stream()` call."""

from __future__ import annotations

from flowload.graph import Graph
from flowload.graph.engine import RunOrder

from .bridge import Batches
from .opening import Order
from .stream import AsyncBatches

__all__ = ["Runtime"]


class Runtime:
    """The engine of this package."""

    def iterate(self, graph: Graph, order: RunOrder) -> Batches:
        """A run for synchronous code."""
        return Batches(Order(graph=graph, **vars(order)))

    def stream(self, graph: Graph, order: RunOrder) -> AsyncBatches:
        """A run for asynchronous code."""
        return AsyncBatches(Order(graph=graph, **vars(order)))
