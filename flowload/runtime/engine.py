"""What `graph.iterate()` and `graph.stream()` call."""

from __future__ import annotations

from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.runtime.faces.asynchronous import AsyncBatches
from flowload.runtime.faces.blocking import Batches

from .order import Order
from .ranks import Ranks

__all__ = ["Runtime"]


class Runtime:
    """The engine of this package.

    Args:
        ranks: what keeps the ranks of a training equal.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.ranks = Ranks() if ranks is None else ranks

    def iterate(self, graph: Graph, order: RunOrder) -> Batches:
        """A run for synchronous code."""
        return Batches(self.order(graph, order))

    def stream(self, graph: Graph, order: RunOrder) -> AsyncBatches:
        """A run for asynchronous code."""
        return AsyncBatches(self.order(graph, order))

    def order(self, graph: Graph, order: RunOrder) -> Order:
        """What is asked for, and by whom: called in the thread that asks."""
        return Order(graph=graph, ranks=self.ranks, card=self.current_card(graph), **vars(order))

    def current_card(self, graph: Graph) -> int | None:  # noqa: ARG002 - only torch knows
        """See `Setting.card`."""
        return None
