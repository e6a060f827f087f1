"""What reading a run is like for synchronous code, wherever the run is."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from flowload.abc.operators import State
from flowload.errors import ClosedRun, GraphError
from flowload.graph.inspect.length import Length
from flowload.runtime.order import Order
from flowload.runtime.state.columns import to_values
from flowload.tracebacks import shortened

from .ended import Ended
from .output import Output
from .pictured import Pictured

__all__ = ["Reading", "check_output", "only_output"]


class Reading(Pictured):
    """Loops over batches, and what is known of them without the run; leaving the `with` block ends it.

    Args:
        order: what is run, and how.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._closed = False
        self._process = os.getpid()
        self._ended = Ended()
        self._only: str | None = None  # the output's name, when there is one and it was asked for

    @abstractmethod
    def next(self, output: str) -> Any:
        """What the reader gets of an output's next block; StopIteration at the end, then ClosedRun."""

    @abstractmethod
    def close(self) -> None:
        """End the run; nothing of it is left afterwards. May be called again."""

    @abstractmethod
    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""

    @abstractmethod
    def state(self) -> State:
        """What `state_dict` gives, with arrays in it that are no JSON values yet."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        if len(self._order.outputs) == 1:
            self.begin(self._order.outputs[0])
        return self

    def __next__(self) -> Any:
        try:
            if self._only is None:
                self._only = only_output(self._order)
            return self.next(self._only)
        except KeyboardInterrupt:  # its traceback would keep the run alive
            self.close()
            raise
        except Exception as error:
            shortened(error)
            raise

    def __getitem__(self, output: str) -> Output:
        return Output(self, check_output(self._order, output))

    def __len__(self) -> int:
        """Batches that this run gives from its beginning on; see `Graph.__len__`. Raises NoLength."""
        return self._order.length().exact()

    def __length_hint__(self) -> int:
        return self._order.length().blocks

    def __bool__(self) -> bool:
        return True  # whatever its length

    @property
    def epoch(self) -> int:
        """Number of the pass in which the last batch was completed: the newest of its samples."""
        return self.epoch_of(only_output(self._order))

    def length(self, output: str) -> Length:
        """Batches of one output that this run gives from its beginning on."""
        return self._order.length(output)

    def begin(self, output: str) -> None:
        """A loop over an output begins. Raises ClosedRun when that has ended."""
        self._ended.check(output)

    def state_dict(self) -> State:
        """What `graph.iterate(state=...)` goes on from: after the last batch that was handed out."""
        state: State = to_values(self.state())
        return state

    def _check_begins(self, *, begun: bool) -> None:
        if begun or self._closed:
            raise ClosedRun("a run is entered once; graph.iterate() makes another")

    def _check_open(self) -> None:
        self._check_process()
        if self._closed:
            raise ClosedRun("this run was left; graph.iterate() makes another")

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ClosedRun(
                f"this run was opened in process {self._process} and is used in its fork {os.getpid()};"
                " threads do not survive a fork: open a run in the child, or start children by spawn"
            )


def only_output(order: Order) -> str:
    """The output's name, where there is one."""
    if len(order.outputs) != 1:
        names = ", ".join(map(repr, order.outputs))
        raise GraphError(f"this graph has several outputs: iterate over run[name], one of {names}")
    return order.outputs[0]


def check_output(order: Order, name: str) -> str:
    """The name, if the graph has such an output."""
    if name not in order.outputs:
        names = ", ".join(map(repr, order.outputs))
        raise GraphError(f"this graph has no output {name!r}; it has {names}")
    return name
