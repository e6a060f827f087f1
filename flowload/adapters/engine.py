"""The engine of the package with its faces to other frameworks, each imported when it is used."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from flowload.adapters.agreeing.ranks import TorchRanks
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.runtime.engine import Runtime
from flowload.runtime.ranks import Ranks
from flowload.stages.device.to_device import ToDeviceStage

if TYPE_CHECKING:
    from flowload.graph.on_ray import OnRay
    from flowload.runtime.elsewhere.face import LaneBatches

__all__ = ["Adapters"]


class Adapters(Runtime):
    """The engine that `Graph.engine` is bound to: the runtime, with what torch knows of ranks and cards."""

    def __init__(self, ranks: Ranks | None = None) -> None:
        super().__init__(TorchRanks() if ranks is None else ranks)

    def current_card(self, graph: Graph) -> int | None:
        """The card that torch has in this thread; None where the graph asks for none, or nobody chose one.

        Choosing one makes torch initialise CUDA, and so does asking for the current one.
        """
        torch = sys.modules.get("torch")
        stages = (placed.stage for placed in graph.nodes())
        asked = any(stage.any_card() for stage in stages if isinstance(stage, ToDeviceStage))
        if torch is None or not asked:
            return None
        return int(torch.cuda.current_device()) if torch.cuda.is_initialized() else None

    def torch_dataset(self, graph: Graph, order: RunOrder, *, length: int | None) -> Any:
        """See `Graph.as_torch_dataset`."""
        from .torch_dataset import GraphDataset  # noqa: PLC0415 - torch takes 0.8 s

        return GraphDataset(graph, order, length=length)

    def on_ray(self, graph: Graph, order: RunOrder, how: OnRay) -> LaneBatches:
        """See `Graph.on_ray`."""
        from flowload.runtime.elsewhere.ask import lanes_elsewhere  # noqa: PLC0415 - as below

        from .ray_lanes import capacity_of, start_of  # noqa: PLC0415 - costs nothing where nobody asks for it
        from .ray_library import ray  # noqa: PLC0415
        from .with_lanes import with_lanes  # noqa: PLC0415

        run = lanes_elsewhere(
            self.order(with_lanes(graph, how.lanes), order),
            start_of(how),
            workers=None if how.workers == "cluster" else how.workers,
            capacity=partial(capacity_of, how),
            bytes_ahead=how.bytes_ahead,
            cut=how.cut,
            cpus=how.cpus,
        )
        ray()  # or it says how to install it
        return self.told(run)

    def ray_datasource(self, graph: Graph, order: RunOrder, *, lanes: int | None) -> Any:
        """See `Graph.as_ray_datasource`."""
        from .ray_data import datasource  # noqa: PLC0415 - costs nothing where nobody asks for it

        return datasource(graph, order, lanes)
