"""The thread with the event loop of a run that synchronous code reads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

import anyio
from anyio.abc import TaskGroup

from flowload.errors import ClosedRun
from flowload.runtime.capture import Capture
from flowload.runtime.order import Order
from flowload.runtime.run import PATIENCE

from .anchored import OVER
from .asynchronous import AsyncBatches
from .handoff import Handoff
from .wakeup import Wakeup

__all__ = ["LoopThread"]

T = TypeVar("T")


class Question(NamedTuple):
    """Something to await in the loop, and where the answer goes: a value, or an error."""

    question: Callable[[], Awaitable[Any]]
    answer: SimpleQueue[tuple[Any, Exception | None]]


class LoopThread:
    """A thread with an event loop, in it an `AsyncBatches`, and a `Handoff` for each output.

    It holds no reference to the reader's object: when that is garbage, its finalizer stops this thread.
    """

    def __init__(self, order: Order) -> None:
        self.batches = AsyncBatches(order, forwards=True)
        self.handoffs = {name: Handoff() for name in order.outputs}
        self.wakeup: Wakeup | None = None
        self._asked: SimpleQueue[Question] = SimpleQueue()
        self._rung: anyio.Event | None = None  #: while questions are answered: somebody asks
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

    def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Await something in the loop; from the reader's thread. Raises ClosedRun where the run is left."""
        asked: Question = Question(question, SimpleQueue())
        self._asked.put(asked)
        if self.wakeup is not None:
            self.wakeup.call()
        value, error = self._answered(asked)
        if error is not None:
            raise error
        found: T = value
        return found

    def _answered(self, asked: Question) -> tuple[Any, Exception | None]:
        """Wait for an answer; nobody may be there any more to give one."""
        while True:
            try:
                return asked.answer.get(timeout=PATIENCE if self.thread.is_alive() else 0)
            except Empty:
                if not self.thread.is_alive():
                    self._refuse()

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
        if self.batches.run is not None:
            self.batches.run.tell_end()

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
                async with anyio.create_task_group() as asked:
                    asked.start_soon(self._converse, asked)
                    async with anyio.create_task_group() as group:
                        for name, handoff in self.handoffs.items():
                            group.start_soon(self._forward, name, handoff)
                    asked.cancel_scope.cancel()
        self._rung = None
        self._refuse()
        for handoff in self.handoffs.values():
            handoff.end_with(None)

    def _refuse(self) -> None:
        """Answer whoever asks a run that is over."""
        while not self._asked.empty():
            with suppress(Empty):
                self._asked.get_nowait().answer.put((None, self._why()))

    def _why(self) -> Exception:
        """What is raised for who waits for something of a run that is over."""
        failure = None if self.batches.run is None else self.batches.run.failure
        return failure if isinstance(failure, Exception) else ClosedRun(OVER)

    async def _converse(self, group: TaskGroup) -> None:
        """Have questions answered, each in a task of its own, until this is cancelled."""
        while True:
            self._rung = anyio.Event()
            while not self._asked.empty():
                group.start_soon(self._reply, self._asked.get_nowait())
            await self._rung.wait()

    async def _reply(self, asked: Question) -> None:
        """Answer one question."""
        try:
            asked.answer.put((await asked.question(), None))
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            asked.answer.put((None, error))
        except BaseException:  # the run is left
            asked.answer.put((None, self._why()))
            raise

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
        if self._rung is not None and not self._asked.empty():
            self._rung.set()
        if self.batches.run is not None:
            with self.batches.run.monitor.run_lock:
                for handoff in self.handoffs.values():
                    handoff.fill()
