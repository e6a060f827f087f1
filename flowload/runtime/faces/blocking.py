"""The synchronous face of a run: the asynchronous one in a thread of its own, and a bridge to the reader."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty
from threading import get_ident
from time import perf_counter
from typing import Any, Self

from flowload.abc.operators import Block, State
from flowload.errors import ClosedRun
from flowload.graph import Plan
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.runtime.order import Order
from flowload.runtime.run import PATIENCE, Run

from .anchored import Anchored
from .asynchronous import AsyncBatches, parts_of
from .handoff import OutputEnd
from .loop_thread import LoopThread
from .reading import Reading

__all__ = ["Batches"]

log = logging.getLogger("flowload")

HINT = "outputs of one run hold each other back; read them in turn, or in threads"


class Batches(Reading, Anchored):
    """A run for synchronous code, in any thread, with or without an event loop around.

    Leaving the `with` block is the stop button; so is dropping the last reference.
    """

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._loop_thread: LoopThread | None = None
        self._opening = threading.Lock()
        self._trace: Trace | None = None  # that was asked for before there was a run
        self._told: set[str] = set()  # outputs whose wait was logged

    def __enter__(self) -> Self:
        self._check_begins(begun=self._loop_thread is not None)
        self._open()
        return self

    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""
        if self._loop_thread is None:
            return self._order.first_epoch
        return self._loop_thread.batches.epoch_of(output)

    def next(self, output: str) -> Any:
        """What the reader gets of an output's next block; StopIteration at the end, then ClosedRun."""
        block, waited = self.take(output)
        assert self._loop_thread is not None  # noqa: S101 - it gave the block
        if not isinstance(block, OutputEnd):
            return self._loop_thread.batches.hand_over(output, block, waited)
        if self._loop_thread.handoffs[output].one_reader():
            self._loop_thread.batches.check_delivered(output)
        self._ended.once(output, get_ident())
        raise StopIteration

    def take(self, output: str) -> tuple[Block | OutputEnd, float]:
        """An output's next block, which nobody has counted, or its end; and how long that took in seconds."""
        loop_thread = self._loop_thread
        if loop_thread is None or self._closed or os.getpid() != self._process:
            loop_thread = self._opened()  # or it says why not; asked here, for it is asked for every batch
        handoff = loop_thread.handoffs[output]
        if handoff.reader_thread != get_ident():
            handoff.note_reader(get_ident())
        if (part := handoff.next_part()) is not None:
            return part, 0.0
        began = perf_counter()
        message: Block | OutputEnd | None = None
        try:
            message = self._get(loop_thread, output)
        finally:
            if message is None:  # a signal's handler has raised: the traceback would keep the run alive
                self.close()
        if isinstance(message, OutputEnd):
            handoff.queue.put(message)  # the end stays for whoever asks again
            if handoff.end is not None and handoff.end.error is not None:
                raise handoff.end.error
            return message, 0.0
        assert loop_thread.wakeup is not None  # noqa: S101 - start() waited for it
        # `held_back` is set before a last look at what lies here: none is missed.
        if handoff.held_back and handoff.half_empty():
            loop_thread.wakeup.call()
        first, *others = parts_of(message)
        handoff.parts.extend(others)
        return first, perf_counter() - began

    def at_hand(self, output: str) -> bool:
        """Whether an output's next block is there: `take` will not wait for it."""
        handoff = self._opened().handoffs[output]
        return bool(handoff.parts) or not handoff.queue.empty()

    def count(self, output: str, block: Block, waited: float) -> None:
        """Count a block of `take` that reaches its reader, who has waited so many seconds."""
        self._begun().count(output, block, waited)

    def check_delivered(self, output: str) -> None:
        """An output has ended, and its reader has all of it; or LedgerError."""
        self._begun().check_delivered(output)

    def _get(self, loop_thread: LoopThread, output: str) -> Block | OutputEnd:
        """Wait for a block; say so when it may never come because another output is not read."""
        handoff = loop_thread.handoffs[output]
        while True:
            handoff.reader_blocked = True
            try:
                if handoff.queue.empty():
                    loop_thread.note_waiting(handoff)
                return handoff.queue.get(timeout=PATIENCE)
            except Empty:
                handoffs = loop_thread.handoffs.items()
                unread = [
                    name for name, handoff in handoffs if not handoff.ended and not handoff.queue.empty()
                ]
                if unread and output not in self._told:
                    self._told.add(output)
                    names = ", ".join(map(repr, unread))
                    log.warning(
                        "%r has waited for %g s while nobody reads %s: %s", output, PATIENCE, names, HINT
                    )
            finally:
                handoff.reader_blocked = False

    def close(self) -> None:
        """End the run; nothing of it is left afterwards. May be called again."""
        self._closed = True
        if self._loop_thread is not None and os.getpid() == self._process:
            self._loop_thread.stop()
            for handoff in self._loop_thread.handoffs.values():
                handoff.clear()

    def stats(self) -> RunStats:
        """The run at this moment, also after it was left."""
        return self._begun().stats()

    def _begun(self) -> AsyncBatches:
        self._check_process()
        if self._loop_thread is None:
            raise ClosedRun("this run has not begun")
        return self._loop_thread.batches

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:
        """Show every block that goes into a stage to its tap before the stage has it; from any thread."""
        self._begun().tap(taps)

    def dump(self) -> Dump:
        """What everybody in the run does at this moment; from any thread."""
        return self._begun().dump()

    @property
    def plan(self) -> Plan:
        """What is run: the graph's stages, and those that keep ranks equal."""
        return self._order.graph.plan if self._loop_thread is None else self._loop_thread.batches.plan

    @property
    def recording(self) -> Trace | None:
        """The trace that is written now."""
        return self._trace if self._loop_thread is None else self._loop_thread.batches.recording

    def record(self, trace: Trace | None) -> None:
        """Write what the run does from now on into a trace, or (None) stop that; from any thread.

        Before the run is entered: from its first call on.
        """
        self._check_process()
        with self._opening:
            if self._loop_thread is None:
                self._trace = trace
                return
        self._loop_thread.batches.record(trace)

    def reader_waits(self) -> bool:
        """Whether a reader waits for a batch now; from any thread, and in a signal's handler."""
        loop_thread = self._loop_thread
        return loop_thread is not None and any(each.reader_blocked for each in loop_thread.handoffs.values())

    def stalled(self, dump: Dump) -> None:
        """See `AsyncBatches.stalled`."""
        self._begun().stalled(dump)

    def begun_run(self) -> Run:
        """The run. Raises ClosedRun before it has begun."""
        return self._begun().begun_run()

    def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; see `AsyncBatches.wait`."""
        batches = self._begun()
        assert self._loop_thread is not None  # noqa: S101 - it has begun
        try:
            return self._loop_thread.ask(partial(batches.wait, chunks=chunks, since=since))
        except KeyboardInterrupt:
            self.close()
            raise

    def state_cost(self) -> StateCost:
        """What the state weighs that `state_dict` gives now, and what going on from it costs."""
        return self._begun().state_cost()

    def cut(self) -> None:
        """Have stages save their parts at every block until a state is taken; see `AsyncBatches.cut`."""
        self._begun().cut()

    def state(self) -> State:
        """The same with arrays in it that are no JSON values yet."""
        if self._loop_thread is None:
            return self._order.write(self._order.delivered())
        return self._loop_thread.batches.state()

    def _opened(self) -> LoopThread:
        self._check_open()
        return self._loop_thread or self._open()

    def _open(self) -> LoopThread:
        with self._opening:  # two threads may ask for the first batches of two outputs
            if self._loop_thread is None:
                loop_thread = LoopThread(self._order)
                loop_thread.batches.record(self._trace)
                # Garbage and the interpreter's exit press the stop button as well.
                weakref.finalize(self, _stop, weakref.ref(loop_thread))
                try:
                    loop_thread.start()
                except KeyboardInterrupt:  # it may have begun already: then there is something to account for
                    self._closed, self._loop_thread = True, loop_thread
                    raise
                self._loop_thread = loop_thread
            return self._loop_thread


def _stop(loop_thread: weakref.ref[LoopThread]) -> None:
    """Stop a run that still has its thread, which keeps it alive.

    A failure's traceback leads from the run to its reader's object: a run held here would be held for ever.
    """
    if (alive := loop_thread()) is not None:
        alive.stop()
