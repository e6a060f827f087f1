"""What `graph.iterate()` and `graph.stream()` call."""

from __future__ import annotations

from flowload.graph import Graph
from flowload.protocols import State

from .bridge import Batches
from .opening import Order
from .stream import AsyncBatches

__all__ = ["Runtime"]


class Runtime:
    """The engine of this package."""

    def iterate(
        self, graph: Graph, *, seed: int, epochs: int | None, state: State | None, cpus: int | None
    ) -> Batches:
        """A run for synchronous code."""
        return Batches(Order(graph=graph, seed=seed, epochs=epochs, state=state, cpus=cpus))

    def stream(
        self, graph: Graph, *, seed: int, epochs: int | None, state: State | None, cpus: int | None
    ) -> AsyncBatches:
        """A run for asynchronous code."""
        return AsyncBatches(Order(graph=graph, seed=seed, epochs=epochs, state=state, cpus=cpus))
