"""The synchronous face of a run: the asynchronous one in a thread of its own, and a bridge to the reader."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from queue import Empty
from threading import get_ident
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from flowload.abc.operators import Block, State
from flowload.errors import ClosedRun
from flowload.graph.length import Length
from flowload.observe.stall import Dump
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.runtime.order import Order
from flowload.runtime.run import PATIENCE

from .asynchronous import AsyncBatches, check_output, only_output, parts_of
from .ended import Ended
from .handoff import Door
from .loop_thread import Crossing

__all__ = ["Batches"]

log = logging.getLogger("flowload")

HINT = "outputs of one run hold each other back; read them in turn, or in threads"


class Batches:
    """A run for synchronous code, in any thread, with or without an event loop around.

    Leaving the `with` block is the stop button; so is dropping the last reference.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._crossing: Crossing | None = None
        self._closed = False
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._ended = Ended()
        self._told: set[str] = set()  # outputs whose wait was logged
        self._only: str | None = None  # the output's name, when there is one and it was asked for

    def __enter__(self) -> Self:
        if self._crossing is not None or self._closed:
            raise ClosedRun("a run is entered once; graph.iterate() makes another")
        self._open()
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
            if self._only is None:
                self._only = only_output(self._order)
            return self.next(self._only)
        except KeyboardInterrupt:  # its traceback would keep the run alive
            self.close()
            raise

    def __getitem__(self, output: str) -> Iterator[Any]:
        return Output(self, check_output(self._order, output))

    @property
    def epoch(self) -> int:
        """Number of the pass in which the last batch was completed: the newest of its samples."""
        return self.epoch_of(only_output(self._order))

    def epoch_of(self, output: str) -> int:
        """The same of one output; before its first batch the first pass."""
        return self._order.first_epoch if self._crossing is None else self._crossing.batches.epoch_of(output)

    def __len__(self) -> int:
        """Batches that this run gives from its beginning on; see `Graph.__len__`. Raises NoLength."""
        return self._order.length().exact()

    def __length_hint__(self) -> int:
        return self._order.length().blocks

    def __bool__(self) -> bool:
        return True  # whatever its length

    def length(self, output: str) -> Length:
        """Batches of one output that this run gives from its beginning on."""
        return self._order.length(output)

    def begin(self, output: str) -> None:
        """A loop over an output begins. Raises ClosedRun when that has ended."""
        self._ended.check(output)

    def next(self, output: str) -> Any:
        """What the reader gets of an output's next block; StopIteration at the end, then ClosedRun."""
        crossing = self._crossing
        if crossing is None or self._closed or os.getpid() != self._process:
            crossing = self._opened()  # or it says why not; asked here, for it is asked for every batch
        pier = crossing.piers[output]
        if pier.reader != get_ident():
            pier.read_by(get_ident())
        if (part := pier.at_hand()) is not None:
            return crossing.batches.hand_over(output, part, 0.0)
        began = perf_counter()
        word: Block | Door | None = None
        try:
            word = self._get(crossing, output)
        finally:
            if word is None:  # a signal's handler has raised: the traceback would keep the run alive
                self.close()
        if isinstance(word, Door):
            pier.ready.put(word)  # the door stays closed for whoever asks again
            if pier.door is not None and pier.door.error is not None:
                raise pier.door.error
            if pier.alone():
                crossing.batches.check_delivered(output)
            self._ended.once(output, get_ident())
            raise StopIteration
        assert crossing.bell is not None  # noqa: S101 - start() waited for it
        if pier.waits and pier.low():  # it is set before a last look at what lies here: none is missed
            crossing.bell.ring()
        first, *others = parts_of(word)
        pier.rest.extend(others)
        return crossing.batches.hand_over(output, first, perf_counter() - began)

    def _get(self, crossing: Crossing, output: str) -> Block | Door:
        """Wait for a block; say so when it may never come because another output is not read."""
        pier = crossing.piers[output]
        while True:
            pier.hungry = True
            try:
                if pier.ready.empty():
                    crossing.asked(pier)
                return pier.ready.get(timeout=PATIENCE)
            except Empty:
                piers = crossing.piers.items()
                unread = [name for name, pier in piers if not pier.ended and not pier.ready.empty()]
                if unread and output not in self._told:
                    self._told.add(output)
                    names = ", ".join(map(repr, unread))
                    log.warning(
                        "%r has waited for %g s while nobody reads %s: %s", output, PATIENCE, names, HINT
                    )
            finally:
                pier.hungry = False

    def close(self) -> None:
        """End the run; nothing of it is left afterwards. May be called again."""
        self._closed = True
        if self._crossing is not None and os.getpid() == self._process:
            self._crossing.stop()
            for pier in self._crossing.piers.values():
                pier.clear()

    def stats(self) -> RunStats:
        """The run at this moment, also after it was left."""
        return self._begun().stats()

    def _begun(self) -> AsyncBatches:
        self._check_process()
        if self._crossing is None:
            raise ClosedRun("this run has not begun")
        return self._crossing.batches

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:
        """Show every block that goes into a stage to its tap before the stage has it; from any thread."""
        self._begun().tap(taps)

    def dump(self) -> Dump:
        """What everybody in the run does at this moment; from any thread."""
        return self._begun().dump()

    def record(self, trace: Trace) -> None:
        """Write what the run does from now on into a trace; from any thread."""
        self._begun().record(trace)

    def state_dict(self) -> State:
        """What `graph.iterate(state=...)` goes on from: after the last batch that was handed out."""
        delivered = self._order.delivered() if self._crossing is None else self._crossing.batches.delivered
        return self._order.write(delivered)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ClosedRun(
                f"this run was opened in process {self._process} and is used in its fork {os.getpid()};"
                " threads do not survive a fork: open a run in the child, or start children by spawn"
            )

    def _opened(self) -> Crossing:
        self._check_process()
        if self._closed:
            raise ClosedRun("this run was left; graph.iterate() makes another")
        return self._crossing or self._open()

    def _open(self) -> Crossing:
        with self._opening:  # two threads may ask for the first batches of two outputs
            if self._crossing is None:
                crossing = Crossing(self._order)
                # Garbage and the interpreter's exit press the stop button as well.
                weakref.finalize(self, _stop, weakref.ref(crossing))
                crossing.start()
                self._crossing = crossing
            return self._crossing


def _stop(crossing: weakref.ref[Crossing]) -> None:
    """Stop a run that still has its thread, which keeps it alive.

    A failure's traceback leads from the run to its reader's object: a run held here would be held for ever.
    """
    if (alive := crossing()) is not None:
        alive.stop()


class Output:
    """One named output of a run; `len` of it is that of `Batches`."""

    def __init__(self, batches: Batches, name: str) -> None:
        self._batches = batches
        self._name = name

    def __iter__(self) -> Iterator[Any]:
        self._batches.begin(self._name)
        return self

    def __len__(self) -> int:
        return self._batches.length(self._name).exact()

    def __length_hint__(self) -> int:
        return self._batches.length(self._name).blocks

    def __bool__(self) -> bool:
        return True  # whatever its length

    @property
    def epoch(self) -> int:
        """See `Batches.epoch`."""
        return self._batches.epoch_of(self._name)

    def __next__(self) -> Any:
        try:
            return self._batches.next(self._name)
        except KeyboardInterrupt:  # its traceback would keep the run alive
            self._batches.close()
            raise
