"""What is asked of a run whose lanes are made on a Ray cluster, and what it can do besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

from .faces import Batches, Stream

__all__ = ["ClusterBatches", "ClusterStream", "OnRay", "Placement"]

#: Where workers go: a word (see `Graph.on_ray`), or the options of Ray's actors.
Placement: TypeAlias = Literal["spread", "near", "cpu"] | Mapping[str, Any]


class Scalable(Protocol):
    """A run that has workers elsewhere."""

    @property
    def workers(self) -> int:
        """How many there are."""

    @property
    def replaced(self) -> int:
        """How many have died, and were replaced."""

    def scale(self, workers: int) -> None:
        """Have another number of them from now on."""


class ClusterStream(Scalable, Stream, Protocol):
    """Such a run, seen from asynchronous code."""


class ClusterBatches(Scalable, Batches, Protocol):
    """Such a run, seen from synchronous code; `async with` gives the face for asynchronous code."""

    async def __aenter__(self) -> ClusterStream: ...

    async def __aexit__(self, *_: object) -> None: ...


class OnRay:
    """How lanes are made on Ray: see `Graph.on_ray`."""

    __slots__ = ("bytes_ahead", "cpus", "cut", "lanes", "placement", "workers")

    def __init__(
        self,
        *,
        workers: int | Literal["cluster"],
        lanes: int | None,
        bytes_ahead: int,
        cut: str | None,
        placement: Placement,
        cpus: int,
    ) -> None:
        self.workers = workers
        self.lanes = lanes
        self.bytes_ahead = bytes_ahead
        self.cut = cut
        self.placement: Placement = placement
        self.cpus = cpus
