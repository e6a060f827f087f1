"""What a graph asks of whatever runs it: the one place where drawing and running meet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args

from flowload.abc.operators import Setting, State
from flowload.errors import GraphError

from .faces import Batches, Stream
from .node import whole
from .on_ray import ClusterBatches, OnRay

__all__ = ["LAST_EPOCH", "Engine", "Even", "OnChange", "RunOrder"]

#: Whether ranks of a training that would end in different steps are kept equal, or refused; or may differ.
Even: TypeAlias = Literal["auto", "allow"]

#: What a state does that was saved in another world (data, parameters, code, ranks): stop, or go on.
OnChange: TypeAlias = Literal["refuse", "accept"]

Drawing_contra = TypeVar("Drawing_contra", contravariant=True)  #: `Graph`, which itself knows engines

LAST_EPOCH = 2**31 - 1  #: an index counts the uses of a chunk in 32 bits


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """How a graph is to be run; see `Graph.iterate`. Raises GraphError for what no run can take."""

    seed: int = 0
    epochs: int | None = 1
    first_epoch: int = 0
    align: bool = False
    state: State | None = None
    cpus: int | None = None
    even: Even = "auto"
    on_change: OnChange = "refuse"
    process: bool = False
    capsules: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.capsules is not None:
            object.__setattr__(self, "capsules", os.fspath(self.capsules))
        if not isinstance(self.process, bool):
            raise GraphError(f"process is {self.process!r}; wanted True or False")
        seed, epochs, cpus, first = self.seed, self.epochs, self.cpus, self.first_epoch
        if not whole(seed) or not 0 <= seed < 2**64:
            raise GraphError(f"seed is {seed!r}; wanted a whole number from 0 to 2**64 - 1")
        if epochs is not None and (not whole(epochs) or epochs < 1):
            raise GraphError(f"epochs is {epochs!r}; wanted a whole number from 1, or None (until stopped)")
        if cpus is not None and (not whole(cpus) or cpus < 1):
            raise GraphError(f"cpus is {cpus!r}; wanted a whole number from 1, or None (those it may use)")
        if not whole(first) or not 0 <= first <= LAST_EPOCH:
            raise GraphError(f"first_epoch is {first!r}; wanted a whole number from 0 to {LAST_EPOCH:,}")
        if not isinstance(self.align, bool):
            raise GraphError(f"align is {self.align!r}; wanted True or False")
        if self.even not in get_args(Even):
            raise GraphError(f"even is {self.even!r}; wanted 'auto' or 'allow'")
        if self.on_change not in get_args(OnChange):
            raise GraphError(f"on_change is {self.on_change!r}; wanted 'refuse' or 'accept'")

    def setting(self, cpus: int = 1, card: int | None = None, *, elsewhere: bool = False) -> Setting:
        """What every stage is told of the run; `cpus` where nobody asked for a number of them."""
        return Setting(
            seed=self.seed,
            epochs=self.epochs,
            cpus=self.cpus or cpus,
            first_epoch=self.first_epoch,
            align=self.align,
            card=card,
            elsewhere=elsewhere,
        )


class Engine(Protocol[Drawing_contra]):
    """What runs graphs. `graph.check()` was not called."""

    def iterate(self, graph: Drawing_contra, order: RunOrder) -> Batches:
        """A run for synchronous code; nothing starts before it is entered."""

    def stream(self, graph: Drawing_contra, order: RunOrder) -> Stream:
        """A run for asynchronous code; nothing starts before it is entered."""

    def torch_dataset(self, graph: Drawing_contra, order: RunOrder, *, length: int | None) -> Any:
        """The graph as a torch data set."""

    def on_ray(self, graph: Drawing_contra, order: RunOrder, how: OnRay) -> ClusterBatches:
        """A run whose lanes are made on a Ray cluster."""

    def ray_datasource(self, graph: Drawing_contra, order: RunOrder, *, lanes: int | None) -> Any:
        """The graph as a source of Ray Data."""
