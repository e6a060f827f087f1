"""From what was asked for to a run whose lanes are made elsewhere."""

from __future__ import annotations

import logging
from dataclasses import replace

from flowload.abc.stage import whole
from flowload.errors import GraphError
from flowload.graph.engine import RunOrder
from flowload.graph.inspect.lane_cut import cut_lanes
from flowload.processes.pickling import as_bytes
from flowload.runtime.order import Order

from .face import LaneBatches
from .lanes import RemoteLanes
from .room import Capacity
from .workers import Start

__all__ = ["lanes_elsewhere"]

OWN = ("state", "process", "capsules", "cpus")  #: what a worker is told otherwise, or not at all


def lanes_elsewhere(
    order: Order,
    start: Start,
    *,
    workers: int | None,
    bytes_ahead: int,
    cut: str | None = None,
    cpus: int | None = None,
    capacity: Capacity | None = None,
    same_process: bool = False,
) -> LaneBatches:
    """The run.

    Args:
        order: what is run, and how, as if it were in this process.
        start: starts a worker.
        workers: how many; they divide the lanes. None: as many as there is room for.
        bytes_ahead: bytes of blocks that are on their way, at most.
        cut: see `cut_lanes`.
        cpus: of each worker.
        capacity: how many workers there is room for, asked now and then; None: for all.
        same_process: workers are in this process: what they log needs not be brought here.

    Raises GraphError for what cannot be run so.
    """
    if not whole(bytes_ahead) or bytes_ahead < 1:
        raise GraphError(f"bytes_ahead is {bytes_ahead!r}; wanted a number from 1")
    lanes = cut_lanes(order.graph.plan, cut)
    given = {name: getattr(order, name) for name in vars(RunOrder()) if name not in OWN}
    names = ("", "flowload", "flowload.progress")
    levels = {name: logging.getLogger(name or None).level for name in names}
    asked = {
        "graph": as_bytes(order.graph, "lanes that are made elsewhere"),
        "order": {**given, "cpus": cpus},
        "cut": cut,
        "levels": None if same_process else levels,
    }
    remote = RemoteLanes(lanes, start, asked, workers, bytes_ahead, capacity)
    return LaneBatches(replace(order, part=lanes.taken(), remote=remote), remote)
