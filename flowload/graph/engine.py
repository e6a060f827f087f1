"""What a graph asks of whatever runs it: the one place where drawing and running meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from flowload.errors import GraphError
from flowload.protocols import State

from .node import whole

if TYPE_CHECKING:
    from .build import Graph

__all__ = ["Batches", "Engine", "Stream", "check_run"]


class Batches(Protocol):
    """A run, seen from synchronous code. Iterable itself when the graph has one output."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def __getitem__(self, output: str) -> Iterator[Any]:
        """The batches of one named output."""

    def stats(self) -> Any:
        """A `flowload.observe.stats.RunStats`."""

    def dump(self) -> Any:
        """A `flowload.observe.stall.Dump`: the calls that run, with their stacks, and who waits for whom."""

    def record(self, trace: Any) -> None:
        """Write what is done from now on into a `flowload.observe.trace.Trace`."""

    def state_dict(self) -> State:
        """What `iterate(state=...)` goes on from."""


class Stream(Protocol):
    """A run, seen from asynchronous code. Iterable itself when the graph has one output."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __anext__(self) -> Any: ...

    def __getitem__(self, output: str) -> AsyncIterator[Any]:
        """The batches of one named output."""

    def stats(self) -> Any:
        """A `flowload.observe.stats.RunStats`."""

    def dump(self) -> Any:
        """A `flowload.observe.stall.Dump`: the calls that run, with their stacks, and who waits for whom."""

    def record(self, trace: Any) -> None:
        """Write what is done from now on into a `flowload.observe.trace.Trace`."""

    def state_dict(self) -> State:
        """What `stream(state=...)` goes on from."""


class Engine(Protocol):
    """What runs graphs. The arguments were checked; `graph.check()` was not called."""

    def iterate(
        self, graph: Graph, *, seed: int, epochs: int | None, state: State | None, cpus: int | None
    ) -> Batches:
        """A run for synchronous code; nothing starts before it is entered."""

    def stream(
        self, graph: Graph, *, seed: int, epochs: int | None, state: State | None, cpus: int | None
    ) -> Stream:
        """A run for asynchronous code; nothing starts before it is entered."""

    def torch_dataset(
        self, graph: Graph, *, seed: int, epochs: int | None, length: int | None, cpus: int | None
    ) -> Any:
        """The graph as a torch data set."""


def check_run(seed: object, epochs: object, cpus: object) -> None:
    """Raise GraphError for arguments that no run can take."""
    if not whole(seed) or not 0 <= seed < 2**64:
        raise GraphError(f"seed is {seed!r}; wanted a whole number from 0 to 2**64 - 1")
    if epochs is not None and (not whole(epochs) or epochs < 1):
        raise GraphError(f"epochs is {epochs!r}; wanted a whole number from 1, or None (until stopped)")
    if cpus is not None and (not whole(cpus) or cpus < 1):
        raise GraphError(f"cpus is {cpus!r}; wanted a whole number from 1, or None (those it may use)")
