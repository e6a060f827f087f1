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
    """The thread with the event loop. Knows nothing of the reader's object, which may be garbage."""

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
        """A reader waits: a fold that was held back until it gives something back may have to go on."""
        run = self.batches.run
        if run is not None and run.compiled.paced:
            with run.monitor.run_lock:  # who gives up the lock looks
                handoff.note_waiting()

    def leave(self) -> None:
        """Press the stop button; from any thread."""
        self._left = True
        if self.wakeup is not None:
            self.wakeup.call()

    def stop(self, patience: float = 2 * PATIENCE) -> None:
        """Press the stop button and wait until the thread has gone."""
        self.leave()
        # Garbage is collected in any thread; one of a run's own must not wait for the end of a run.
        if self.thread.is_alive() and not threading.current_thread().name.startswith("flowload-"):
            self.thread.join(patience)

    def _main(self) -> None:
        with Capture(self._failed, BaseException):
            anyio.run(self._serve)

    def _failed(self, error: BaseException) -> None:
        """Raised where the run is read."""
        self._ready.put(error)
        for handoff in self.handoffs.values():
            handoff.end_with(error)

    async def _serve(self) -> None:
        self.wakeup = Wakeup(self._answer)
        with anyio.CancelScope() as self._scope:
            self._answer()  # it may have been left before there was a wakeup to ring
            async with self.batches:
                self._ready.put(None)
                async with anyio.create_task_group() as group:
                    for name, handoff in self.handoffs.items():
                        group.start_soon(self._forward, name, handoff)
        for handoff in self.handoffs.values():
            handoff.end_with(None)

    async def _forward(self, name: str, handoff: Handoff) -> None:
        """Let blocks cross, one ahead of the reader; the loop has to do with the first and the end only."""
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
