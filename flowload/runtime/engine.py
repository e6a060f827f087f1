"""What `graph.iterate()` and `graph.stream()` call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.runtime.faces.asynchronous import AsyncBatches
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.faces.pictured import Pictured

from .memory.shared_file import SharedFile
from .order import Order
from .ranks import Ranks

if TYPE_CHECKING:
    from .child.remote import RemoteBatches
    from .child.remote_stream import RemoteStream

__all__ = ["Runtime"]

Opened = TypeVar("Opened")


class Runtime:
    """The engine of this package.

    Args:
        ranks: what keeps the ranks of a training equal.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self.ranks = Ranks() if ranks is None else ranks
        self.watchers: list[Callable[[Any], None]] = []  #: told of every run, before it begins

    def iterate(self, graph: Graph, order: RunOrder) -> Batches | RemoteBatches:
        """A run for synchronous code, in this process or in one of its own."""
        if order.process:
            from .child.remote import RemoteBatches  # noqa: PLC0415 - costs nothing where nobody asks for it

            return self.told(RemoteBatches(self.order(graph, order)))
        return self.told(Batches(self.order(graph, order)))

    def stream(self, graph: Graph, order: RunOrder) -> AsyncBatches | RemoteStream:
        """A run for asynchronous code, in the event loop that reads it or in a process of its own."""
        if order.process:
            from .child.remote_stream import RemoteStream  # noqa: PLC0415 - as above

            return self.told(RemoteStream(self.order(graph, order)))
        return self.told(AsyncBatches(self.order(graph, order)))

    def run_for(self, graph: Graph, order: RunOrder, file: SharedFile) -> Batches:
        """A run whose reader is in another process; `file`: what both map."""
        return self.told(Batches(self.order(graph, order, file)))

    def told(self, run: Opened) -> Opened:
        """A run, of which everybody was told who wants to know."""
        for watcher in self.watchers:
            watcher(run)
        return run

    def show_by(self, drawn: Callable[[Any], dict[str, str]], shown: Callable[[Any], None]) -> None:
        """Let runs show themselves in notebooks: at one moment, and while they run."""
        Pictured.drawn, Pictured.shown = drawn, shown

    def order(self, graph: Graph, order: RunOrder, file: SharedFile | None = None) -> Order:
        """What is asked for, and by whom: called in the thread that asks."""
        card = self.current_card(graph)
        return Order(graph=graph, ranks=self.ranks, card=card, shared=file, **vars(order))

    def current_card(self, graph: Graph) -> int | None:  # noqa: ARG002 - only torch knows
        """See `Setting.card`."""
        return None
