"""The faces of a run whose lanes are made elsewhere: those of any run, and `scale`."""

from __future__ import annotations

from flowload.runtime.faces.asynchronous import AsyncBatches
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.order import Order

from .lanes import RemoteLanes

__all__ = ["LaneBatches", "LaneStream"]


class Scalable:
    """What both have."""

    remote: RemoteLanes

    @property
    def workers(self) -> int:
        """How many make the lanes."""
        return self.remote.workers

    @property
    def replaced(self) -> int:
        """Workers that have died, and others went on for."""
        return self.remote.replaced

    def scale(self, workers: int) -> None:
        """Have another number of workers from now on; the stream stays the same.

        All begin anew where the reader is: what they had made ahead is made again. Raises GraphError for a
        number that does not divide the lanes.
        """
        self.remote.scale(workers)


class LaneStream(Scalable, AsyncBatches):
    """For `async with`."""

    def __init__(self, order: Order, remote: RemoteLanes) -> None:
        super().__init__(order)
        self.remote = remote


class LaneBatches(Scalable, Batches):
    """For `with` in synchronous code; in `async with` it is a `LaneStream`."""

    def __init__(self, order: Order, remote: RemoteLanes) -> None:
        super().__init__(order)
        self.remote = remote
        self._stream = LaneStream(order, remote)

    async def __aenter__(self) -> LaneStream:
        self._closed = True  # it has one face alone
        return await self._stream.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._stream.__aexit__(*error)
