"""What reading a run is like for asynchronous code, wherever the run is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from flowload.abc.operators import State
from flowload.runtime.order import Order
from flowload.runtime.state.columns import to_values
from flowload.tracebacks import shortened

from .ended import Ended
from .pictured import Pictured
from .reading import check_output, only_output

__all__ = ["AsyncOutput", "AsyncReading"]


class AsyncReading(Pictured):
    """Loops over batches.

    Args:
        order: what is run, and how.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self._ended = Ended()

    @abstractmethod
    async def next(self, output: str) -> Any:
        """What the reader gets of an output's next block; StopAsyncIteration at the end, then ClosedRun."""

    @abstractmethod
    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""

    @abstractmethod
    def state(self) -> State:
        """What `state_dict` gives, with arrays in it that are no JSON values yet."""

    def __aiter__(self) -> AsyncIterator[Any]:
        if len(self.order.outputs) == 1:
            self.begin(self.order.outputs[0])
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.next(only_output(self.order))
        except Exception as error:
            shortened(error)
            raise

    def __getitem__(self, output: str) -> AsyncOutput:
        return AsyncOutput(self, check_output(self.order, output))

    @property
    def epoch(self) -> int:
        """Number of the pass in which the last batch was completed: the newest of its samples."""
        return self.epoch_of(only_output(self.order))

    def begin(self, output: str) -> None:
        """A loop over an output begins. Raises ClosedRun when that has ended."""
        self._ended.check(output)

    def state_dict(self) -> State:
        """What `graph.stream(state=...)` goes on from: after the last batch that was handed out."""
        state: State = to_values(self.state())
        return state


class AsyncOutput:
    """One named output of a run."""

    def __init__(self, batches: AsyncReading, name: str) -> None:
        self.batches = batches
        self.name = name

    def __aiter__(self) -> AsyncIterator[Any]:
        self.batches.begin(self.name)
        return self

    @property
    def epoch(self) -> int:
        """See `AsyncReading.epoch`."""
        return self.batches.epoch_of(self.name)

    async def __anext__(self) -> Any:
        try:
            return await self.batches.next(self.name)
        except Exception as error:
            shortened(error)
            raise
