"""The engine of the package with its faces to other frameworks, each imported when it is used."""

from __future__ import annotations

from typing import Any

from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.runtime.engine import Runtime
from flowload.runtime.ranks import Ranks

from .ranks import TorchRanks

__all__ = ["Adapters"]


class Adapters(Runtime):
    """What `Graph.engine` is bound to."""

    def __init__(self, ranks: Ranks | None = None) -> None:
        super().__init__(TorchRanks() if ranks is None else ranks)

    def torch_dataset(self, graph: Graph, order: RunOrder, *, length: int | None) -> Any:
        """See `Graph.as_torch_dataset`."""
        from .torch_dataset import GraphDataset  # noqa: PLC0415 - torch takes 0.8 s

        return GraphDataset(
            graph, seed=order.seed, epochs=order.epochs, length=length, even=order.even, cpus=order.cpus
        )
