"""A run as its readers see it: what a graph's `iterate` and `stream` promise to give, whoever runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol, Self

from flowload.abc.operators import State
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace

from .plan import Plan

__all__ = ["AsyncOutput", "Batches", "Output", "Running", "Stream"]


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

    def cut(self) -> None:
        """Have stages save their parts at every block, so that the next state makes next to nothing again.

        A state stands at a cut before which its reader has had all. Asked for as many batches before as are
        under way, it goes on at most a block behind; with a state cuts are rare again.
        """

    def anchor(self, key: str | None = None) -> str | None:
        """Put the anchor of a run over growing data at a file, by default the newest; returns its name."""

    def new_chunks(self, since: str | None = None) -> int:
        """How many chunks have come since an anchor, by default the run's own."""


class Batches(Running, Protocol):
    """A run, seen from synchronous code. Iterable itself when the graph has one output."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

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

    async def __aexit__(self, *_: object) -> None: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __anext__(self) -> Any: ...

    def __getitem__(self, output: str) -> AsyncOutput:
        """The batches of one named output."""

    async def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""
