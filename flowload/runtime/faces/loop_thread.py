"""The thread with the event loop of a run that synchronous code reads."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from queue import SimpleQueue

import anyio

from flowload.runtime.capture import Capture
from flowload.runtime.order import Order
from flowload.runtime.run import PATIENCE

from .asynchronous import AsyncBatches
from .handoff import Handoff
from .wakeup import Wakeup

__all__ = ["LoopThread"]


class LoopThread:
    """A thread with an event loop, in it an `AsyncBatches`, and a `Handoff` for each output.

    It holds no reference to the reader's object: when that is garbage, its finalizer stops this thread.
    """

    def __init__(self, order: Order) -> None:
        self.batches = AsyncBatches(order)
        self.handoffs = {name: Handoff() for name in order.outputs}
        self.wakeup: Wakeup | None = None
        self._left = False
        self._scope: anyio.CancelScope | None = None
        self._ready: SimpleQueue[BaseException | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._main, name="flowload-loop", daemon=True)

    def start(self) -> None:
        """Start the thread and open the run in it; raises what opening raises."""
        with ExitStack() as stack:
            stack.callback(self.stop)  # Ctrl-C: nobody would ever know of this run
            self.thread.start()
            error = self._ready.get()
            stack.pop_all()
        if error is not None:
            self.thread.join()
            raise error

    def note_waiting(self, handoff: Handoff) -> None:
        """Note that a reader waits: a paced fold may have to go on without getting memory back."""
        run = self.batches.run
        if run is not None and run.compiled.paced:
            with run.monitor.run_lock:  # on its release the monitor checks
                handoff.note_waiting()

    def leave(self) -> None:
        """Ask the run to stop; from any thread, returns at once."""
        self._left = True
        if self.wakeup is not None:
            self.wakeup.call()

    def stop(self, patience: float = 2 * PATIENCE) -> None:
        """Stop the run and wait until the thread has ended, for at most `patience` seconds."""
        self.leave()
        # Garbage is collected in any thread; one of a run's own must not wait for the end of a run.
        if self.thread.is_alive() and not threading.current_thread().name.startswith("flowload-"):
            self.thread.join(patience)

    def _main(self) -> None:
        with Capture(self._failed, BaseException):
            anyio.run(self._serve)

    def _failed(self, error: BaseException) -> None:
        """Have an error raised where the run is read."""
        self._ready.put(error)
        for handoff in self.handoffs.values():
            handoff.end_with(error)

    async def _serve(self) -> None:
        self.wakeup = Wakeup(self._answer)
        with anyio.CancelScope() as self._scope:
            self._answer()  # it may have been left before there was a wakeup to call
            async with self.batches:
                self._ready.put(None)
                async with anyio.create_task_group() as group:
                    for name, handoff in self.handoffs.items():
                        group.start_soon(self._forward, name, handoff)
        for handoff in self.handoffs.values():
            handoff.end_with(None)

    async def _forward(self, name: str, handoff: Handoff) -> None:
        """Forward one output. Only its first block and its end go through the event loop, the rest through
        `Handoff.fill`."""
        with Capture(handoff.close):
            try:
                block = await self.batches.take(name)
                for part in (block, *self.batches.at_hand(name)):
                    handoff.put(part)
                del block, part  # they are the reader's now
                await handoff.attach(self.batches.channel(name))
                await self.batches.take(name)  # says how it ended
            except StopAsyncIteration:
                handoff.close(None)

    def _answer(self) -> None:
        if self._left and self._scope is not None:
            self._scope.cancel()
        if self.batches.run is not None:
            with self.batches.run.monitor.run_lock:
                for handoff in self.handoffs.values():
                    handoff.fill()
