"""The face of a run that is in another process: what `graph.iterate(process=True)` gives."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from threading import get_ident
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from flowload.abc.operators import Block, State
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Plan
from flowload.graph.engine import RunOrder
from flowload.graph.inspect.length import Length
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.processes.failure import raised
from flowload.processes.pickling import as_bytes
from flowload.runtime.faces.asynchronous import check_output, only_output
from flowload.runtime.faces.ended import Ended
from flowload.runtime.faces.output import Output
from flowload.runtime.faces.pictured import Pictured
from flowload.runtime.order import Order
from flowload.runtime.state.columns import to_values
from flowload.tracebacks import shortened

from .connection import Connection

__all__ = ["RemoteBatches"]


class RemoteBatches(Pictured):
    """A run in a process of its own, for synchronous code, in any thread.

    Batches are views of memory that both processes map. It is used again when the last view is gone.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._asked = (as_bytes(order.graph, "iterate(process=True)"), asked_of(order))
        self._connection: Connection | None = None
        self._waiting = 0  # readers that wait for a batch
        self._closed = False
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._ended = Ended()
        self._trace: Trace | None = None

    def __enter__(self) -> Self:
        if self._connection is not None or self._closed:
            raise ClosedRun("a run is entered once; graph.iterate() makes another")
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        if len(self._order.outputs) == 1:
            self.begin(self._order.outputs[0])
        return self

    def __next__(self) -> Any:
        try:
            return self.next(only_output(self._order))
        except KeyboardInterrupt:
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
        """Number of the pass in which the last batch was completed."""
        return self.epoch_of(only_output(self._order))

    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""
        connection = self._connection
        if connection is None:
            return self._order.first_epoch
        if connection.left is not None:
            return connection.left.epochs[output]
        found: int = connection.ask("epoch_of", output)
        return found

    def length(self, output: str) -> Length:
        """Batches of one output that this run gives from its beginning on."""
        return self._order.length(output)

    def begin(self, output: str) -> None:
        """A loop over an output begins. Raises ClosedRun when that has ended."""
        self._ended.check(output)

    def next(self, output: str) -> Any:
        """An output's next batch; StopIteration at the end, then ClosedRun."""
        connection = self._opened()
        inbox = connection.inboxes[output]
        began = perf_counter()
        self._waiting += 1
        try:
            received = inbox.get()
        finally:
            self._waiting -= 1
        if received.error is not None or received.ended:
            inbox.put(received)  # it stays for whoever asks again
            if received.error is not None:
                raise received.error
            if connection.left is None:
                connection.ask("check", output)
            self._ended.once(output, get_ident())
            raise StopIteration
        connection.taken(output, perf_counter() - began)
        return received.value

    def close(self) -> None:
        """End the run and its process; nothing of them is left afterwards. May be called again."""
        self._closed = True
        connection = self._connection
        if connection is None or os.getpid() != self._process:
            return
        self._stop_trace(connection)
        connection.stop()
        if connection.left is not None and connection.left.error is not None:
            raise raised(connection.left.error, connection.process.pid)

    def stats(self) -> RunStats:
        """The run at this moment, also after it was left. Raises ProcessDied where nobody is left to say."""
        connection = self._begun()
        if connection.left is not None:
            return connection.left.stats
        found: RunStats = connection.ask("stats")
        return found

    def dump(self) -> Dump:
        """What everybody in the run does at this moment; from any thread."""
        found: Dump = self._begun().ask("dump")
        return found

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:  # noqa: ARG002 - refused
        """Raises GraphError: blocks stay in their process."""
        raise GraphError("blocks can be looked at in the process that has them: leave process=True out")

    @property
    def plan(self) -> Plan:
        """What is run."""
        return self._order.graph.plan

    @property
    def recording(self) -> Trace | None:
        """The trace that is written now."""
        return self._trace

    def record(self, trace: Trace | None) -> None:
        """Write what the run does from now on into a trace, or (None) stop that; it is here then."""
        if self._connection is None:
            self._trace = trace
            return
        self._stop_trace(self._connection)
        self._trace = trace
        if trace is not None:
            self._connection.ask("record", trace.most)

    def _stop_trace(self, connection: Connection) -> None:
        trace, self._trace = self._trace, None
        if trace is not None and connection.died is None and not connection.stopped:
            trace.take(connection.ask("record", None))

    def reader_waits(self) -> bool:
        """Whether a reader waits for a batch now; from any thread, and in a signal's handler."""
        return self._waiting > 0

    def stalled(self, dump: Dump) -> None:
        """Keep capsules of the calls that a run without progress is in, if it keeps any."""
        self._begun().ask("stalled", dump)

    def anchor(self, key: str | None = None) -> str | None:
        """Put the anchor of a run over growing data at a file, by default the newest; returns its name."""
        found: str | None = self._begun().ask("anchor", key)
        return found

    def new_chunks(self, since: str | None = None) -> int:
        """How many chunks have come since an anchor, by default the run's own."""
        found: int = self._begun().ask("new_chunks", since)
        return found

    def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many."""
        found: int = self._begun().ask("wait_for", chunks, since)
        return found

    def state_cost(self) -> StateCost:
        """What the state weighs that `state_dict` gives now, and what going on from it costs."""
        found: StateCost = self._begun().ask("state_cost")
        return found

    def state_dict(self) -> State:
        """What `graph.iterate(state=...)` goes on from: after the last batch that was handed out."""
        state: State = to_values(self.state())
        return state

    def state(self) -> State:
        """The same with arrays in it that are no JSON values yet."""
        connection = self._connection
        if connection is None:
            return self._order.write(self._order.delivered())
        if connection.left is not None:
            return connection.left.state
        found: State = connection.ask("state")
        return found

    def _begun(self) -> Connection:
        self._check_process()
        if self._connection is None:
            raise ClosedRun("this run has not begun")
        return self._connection

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ClosedRun(
                f"this run was opened in process {self._process} and is used in its fork {os.getpid()}:"
                " open a run in the child, or start children by spawn"
            )

    def _opened(self) -> Connection:
        self._check_process()
        if self._closed:
            raise ClosedRun("this run was left; graph.iterate() makes another")
        with self._opening:  # two threads may ask for the first batches of two outputs
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    def _open(self) -> Connection:
        connection = Connection(self._asked, self._order.outputs)
        try:
            if (error := connection.begun.get()) is not None:
                raise error
            weakref.finalize(self, connection.stop)
            if self._trace is not None:
                connection.ask("record", self._trace.most)
        except BaseException:
            self._closed = True
            connection.stop()
            raise
        return connection


def asked_of(order: Order) -> dict[str, Any]:
    """How it is to be run, as the other process is told."""
    return {name: getattr(order, name) for name in vars(RunOrder()) if name != "process"}
