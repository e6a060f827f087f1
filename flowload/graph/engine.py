"""What a graph asks of whatever runs it: the one place where drawing and running meet."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypeVar, get_args

from flowload.abc.operators import Setting, State
from flowload.errors import GraphError
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace

from .node import whole
from .plan import Plan

if TYPE_CHECKING:  # it is built of what is here
    from .clusters import ClusterBatches, OnRay

__all__ = [
    "LAST_EPOCH",
    "AsyncOutput",
    "Batches",
    "Engine",
    "Even",
    "OnChange",
    "Output",
    "RunOrder",
    "Stream",
]

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


class Output(Protocol):
    """The batches of one named output of a run."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def __len__(self) -> int:
        """See `Batches.__len__`."""

    @property
    def epoch(self) -> int:
        """Number of the pass in which its last batch was completed."""


class AsyncOutput(Protocol):
    """The batches of one named output of a run, for asynchronous code."""

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __anext__(self) -> Any: ...

    @property
    def epoch(self) -> int:
        """Number of the pass in which its last batch was completed."""


class Running(Protocol):
    """A run, seen by whoever may ask about it: its statistics, its place in the stream, what holds it."""

    def stats(self) -> RunStats:
        """The run at this moment, also after it was left."""

    def dump(self) -> Dump:
        """The calls that run, with their stacks, and who waits for whom."""

    def record(self, trace: Trace | None) -> None:
        """Write what is done from now on into a trace; None: stop that."""

    @property
    def recording(self) -> Trace | None:
        """The trace that is written now; None: there is none."""

    @property
    def plan(self) -> Plan:
        """What is run."""

    @property
    def epoch(self) -> int:
        """Number of the pass in which the last batch that was handed out was completed."""

    def state_dict(self) -> State:
        """What `iterate(state=...)` and `stream(state=...)` go on from."""

    def state_cost(self) -> StateCost:
        """What that weighs, and what going on from it costs."""

    def anchor(self, key: str | None = None) -> str | None:
        """Put the anchor of a run over growing data at a file, by default the newest; returns its name."""

    def new_chunks(self, since: str | None = None) -> int:
        """How many chunks have come since an anchor, by default the run's own."""


class Batches(Running, Protocol):
    """A run, seen from synchronous code. Iterable itself when the graph has one output."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def __getitem__(self, output: str) -> Output:
        """The batches of one named output."""

    def __len__(self) -> int:
        """Batches that this run gives from its beginning on; raises NoLength, a TypeError."""

    def close(self) -> None:
        """End the run, as leaving its block does; may be called again."""

    def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""


class Stream(Running, Protocol):
    """A run, seen from asynchronous code. Iterable itself when the graph has one output."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __anext__(self) -> Any: ...

    def __getitem__(self, output: str) -> AsyncOutput:
        """The batches of one named output."""

    async def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""


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
