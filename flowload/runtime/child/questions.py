"""What both faces of a run in another process ask of it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from flowload.abc.operators import Block, State
from flowload.abc.powers import AtReader
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph, Plan
from flowload.graph.engine import RunOrder
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.processes.failure import raised
from flowload.processes.pickling import as_bytes
from flowload.runtime.order import Order

from .connection import Connection

__all__ = ["Questions"]


class Questions:
    """A run's process, from when it is entered to its last word, which is kept.

    Args:
        order: what is run, and how.
        word: how the user asked for it, for messages.
    """

    def __init__(self, order: Order, word: str) -> None:
        self.asked_for = order
        self._asked = (as_bytes(in_run(order.graph), word), asked_of(order))
        self._connection: Connection | None = None
        self._waiting = 0  # readers that wait for a batch
        self._owner = os.getpid()
        self._trace: Trace | None = None

    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""
        connection = self._connection
        if connection is None:
            return self.asked_for.first_epoch
        if connection.left is not None:
            return connection.left.epochs[output]
        found: int = connection.ask("epoch_of", output)
        return found

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
        return self.asked_for.graph.plan

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

    def state_cost(self) -> StateCost:
        """What the state weighs that `state_dict` gives now, and what going on from it costs."""
        found: StateCost = self._begun().ask("state_cost")
        return found

    def cut(self) -> None:
        """Have stages save their parts at every block until a state is taken; see `AsyncBatches.cut`."""
        self._begun().ask("cut")

    def state(self) -> State:
        """What `state_dict` gives, with arrays in it that are no JSON values yet."""
        connection = self._connection
        if connection is None:
            return self.asked_for.write(self.asked_for.delivered())
        if connection.left is not None:
            return connection.left.state
        found: State = connection.ask("state")
        return found

    def _begun(self) -> Connection:
        self._check_owner()
        if self._connection is None:
            raise ClosedRun("this run has not begun")
        return self._connection

    def _check_owner(self) -> None:
        if os.getpid() != self._owner:
            raise ClosedRun(
                f"this run was opened in process {self._owner} and is used in its fork {os.getpid()}:"
                " open a run in the child, or start children by spawn"
            )

    def _connect(self) -> Connection:
        """Start the process; it has the run when its `begun` says so."""
        order = self.asked_for
        connection = Connection(self._asked, order.graph.plan, order.setting(card=order.card))
        weakref.finalize(self, connection.stop)
        return connection

    def _trace_from_begin(self, connection: Connection) -> None:
        if self._trace is not None:
            connection.ask("record", self._trace.most)

    def _end(self) -> None:
        """End the run and its process; raises what the run raised when it was left."""
        connection = self._connection
        if connection is None or os.getpid() != self._owner:
            return
        self._stop_trace(connection)
        connection.stop()
        if connection.left is not None and connection.left.error is not None:
            raise raised(connection.left.error, connection.process.pid)


def asked_of(order: Order) -> dict[str, Any]:
    """How it is to be run, as the other process is told."""
    return {name: getattr(order, name) for name in vars(RunOrder()) if name != "process"}


def in_run(graph: Graph) -> Graph:
    """The graph as the other process has it: without what its reader makes of batches."""
    found = graph
    for end in graph.plan.ends:
        stage = graph.plan[end.node].stage
        if isinstance(stage, AtReader):
            found = found.restaged(end.node, stage.in_run())
    return found
