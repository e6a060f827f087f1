"""A graph as a source of Ray Data: see `Graph.as_ray_datasource`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.processes.pickling import as_bytes

from .ray_library import ray_data
from .with_lanes import one_lane, with_lanes

__all__ = ["datasource"]


class LaneOfBlocks:
    """Reads one lane; in a task of Ray's.

    Args:
        graph: pickled, with lanes.
        lane: which.
        how: seed, epochs, CPUs.
    """

    def __init__(self, graph: bytes, lane: int, how: RunOrder) -> None:
        self.graph = graph
        self.lane = lane
        self.how = how

    def __call__(self) -> Iterator[Any]:
        """Every batch as a block; arrays of a batch's own, for Ray keeps them for longer than the run."""
        block = ray_data().block.BlockAccessor
        graph: Graph = one_lane(pickle.loads(self.graph), self.lane)
        how = self.how
        with graph.iterate(seed=how.seed, epochs=how.epochs, cpus=how.cpus, even="allow") as batches:
            for batch in batches:
                yield block.batch_to_block({key: np.array(value) for key, value in batch.items()})


def datasource(graph: Graph, order: RunOrder, lanes: int | None) -> Any:
    """The source. Raises GraphError, MissingExtra."""
    whole = with_lanes(graph, lanes)
    shares = (placed.stage.share() for placed in whole.plan.nodes)
    count = next(share.lanes for share in shares if share is not None and share.lanes is not None)
    text = as_bytes(whole, "as_ray_datasource")
    data = ray_data()
    kind: Any = data.Datasource

    class GraphSource(kind):  # type: ignore[misc]  # of a library that is imported when it is used
        """One read task a lane."""

        def get_name(self) -> str:
            """What plans of Ray Data show."""
            return "flowload"

        def estimate_inmemory_data_size(self) -> int | None:
            """Nobody knows before it runs."""
            return None

        def get_read_tasks(
            self,
            parallelism: int,  # noqa: ARG002 - there are as many as lanes
            per_task_row_limit: int | None = None,  # noqa: ARG002 - Ray cuts behind them
            data_context: Any = None,  # noqa: ARG002 - nothing of it matters
        ) -> Sequence[Any]:
            """A task for each lane."""
            told = data.block.BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [data.ReadTask(LaneOfBlocks(text, lane, order), told) for lane in range(count)]

    return GraphSource()
