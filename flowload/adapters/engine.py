"""The engine of the package with its faces to other frameworks, each imported when it is used."""

from __future__ import annotations

from typing import Any

from flowload.graph import Graph
from flowload.runtime.engine import Runtime

__all__ = ["Adapters"]


class Adapters(Runtime):
    """What `Graph.engine` is bound to."""

    def torch_dataset(
        self, graph: Graph, *, seed: int, epochs: int | None, length: int | None, cpus: int | None
    ) -> Any:
        """See `Graph.as_torch_dataset`."""
        from .torch_dataset import GraphDataset  # noqa: PLC0415 - torch takes 0.8 s

        return GraphDataset(graph, seed=seed, epochs=epochs, length=length, cpus=cpus)
