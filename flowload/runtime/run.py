# What a run promises. Each line has a test in tests/runtime/contract; the accounts have theirs in
# tests/runtime/observe/test_accounts.py.
#
# A stage fails:      every other stage is cancelled; the reader gets what failed, and only that, noted
#                     with its stage and the line that declared it. What Python takes for an end, a
#                     cancellation or an exit is no such thing: see UserCodeError. A stage that wakes
#                     because its reader has gone is not a failure.
# A stage ends early: the stages above it stop at their next send; nothing is raised.
# The stream ends:    folds have flushed, every task and thread is gone, in = out + dropped + held holds
#                     for every operator, and what one gave is what the next took, in order, and in the
#                     end the reader; or LedgerError is raised; then the reader is told, once: whoever
#                     asks again gets ClosedRun.
# A file changed:     that an operator had read and nobody had noticed: the end is that error, or under
#                     on_error="skip" a warning; see Checking.
# The reader leaves:  (leaves the `with`, breaks, drops the iterator) every stage is cancelled; nothing
#                     is raised.
# The reader fails:   every stage is cancelled; the reader's own error stays bare.
# It is cancelled:    (Ctrl-C, an outer scope) every stage is cancelled; the cancellation goes on.
# A thread is stuck:  in a call that does not return: after PATIENCE seconds an error is logged that names
#                     the thread, and the run is left without it.
# Anything else that happens is a bug.
"""One run of a graph: the tasks, who owns them, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from time import perf_counter

import anyio
from anyio.abc import TaskGroup

from flowload.abc.operators import Block
from flowload.errors import FlowloadError, LedgerError
from flowload.observe.trace import Trace
from flowload.runtime.elsewhere.standing import RemoteStanding
from flowload.runtime.growing.growth import Growth
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.observe.accounts import check_accounts, check_delivered, check_made_again
from flowload.runtime.observe.delivered import Delivered
from flowload.runtime.observe.ending import Ending
from flowload.runtime.observe.process import ProcessStats, ThreadTime
from flowload.runtime.observe.tracing import TraceRecorder
from flowload.runtime.observe.watch_lock import watch_lock
from flowload.runtime.state.refill import refill
from flowload.runtime.state.standing import Standing
from flowload.runtime.tasks.choose import TaskMain, task_for
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.eventloop import keep_ctrl_c_out
from flowload.runtime.threads.executor import Executor
from flowload.runtime.threads.lock_probe import LockProbe
from flowload.runtime.threads.monitor import Monitor
from flowload.tracebacks import shortened

from .capture import EXITS, FAILURES, Capture, as_error
from .channel import Channel, EndOfStream, Message, NumberedBlock, ReaderGone
from .compile import CompiledGraph
from .unchanged import check_files

__all__ = ["Run"]

log = logging.getLogger("flowload")

PATIENCE = 5.0  #: seconds that a stopped run waits for calls that are under way
IO_THREADS = 8  #: blocking I/O costs no CPU, so it may have more threads than there are CPUs


class Run:
    """Opened by `start` inside an event loop; `outputs` carry what it makes; `stop` ends it."""

    def __init__(
        self,
        compiled: CompiledGraph,
        pool: BufferPool,
        monitor: Monitor,
        standing: Standing | RemoteStanding | None = None,
        *,
        roots: Mapping[str, Sequence[str]] | None = None,
        growth: Growth | None = None,
    ) -> None:
        self.compiled = compiled
        self.standing = standing
        self.pool = pool
        self.monitor = monitor
        self.roots = roots or {}  #: folders that sources read, by node
        self.growth = growth or Growth(tuple(compiled.members))
        self.failure: BaseException | None = None
        self.finished = False
        self.unclosed = 0  #: parts of it that could not be closed when it was stopped
        self.delivered = Delivered(compiled.outputs)
        self.began = perf_counter()
        self.ended = 0.0
        self.loop: ThreadTime | None = None  #: CPU time of the event loop's thread
        self.process = ProcessStats()
        self.lock = LockProbe()
        self.recorder: TraceRecorder | None = None
        self.ending = Ending()
        self._unended = set(compiled.outputs)
        self._unread = set(compiled.outputs)  # whose reader has not come to the end
        self._scope: anyio.CancelScope | None = None
        self.gone: anyio.Event | None = None
        self.executors: dict[str, Executor] = {}  #: by name

    async def start(self, group: TaskGroup) -> None:
        """Start every task, in a scope of their own, so that the reader is never cancelled with them."""
        self.began = perf_counter()
        self.process = ProcessStats()
        self.loop = ThreadTime()
        self.gone = anyio.Event()
        self._scope = anyio.CancelScope()
        self.monitor.run_lock.when_settled = self.monitor.break_deadlock
        keep_ctrl_c_out(self._host, self._guard, Channel.take)  # the reader takes inside `with run_lock:`
        group.start_soon(self._host, name="flowload run")

    async def take(self, output: str) -> Block:
        """The next block of an output. Raises what failed; EndOfStream at the end."""
        while True:
            message = await self._next_message(output)
            if isinstance(message, NumberedBlock) and message.block is not None:
                return message.block

    async def stop(self) -> None:
        """End the run wherever it is, and wait until nothing of it is left."""
        if self._scope is not None and self.gone is not None:
            self._scope.cancel()
            self.compiled.stop[0] = 1  # after it: nobody is told of the calls that this ends
            for channel in self.compiled.outputs.values():
                channel.leave()
            with anyio.CancelScope(shield=True):
                await self.gone.wait()

    def check_delivered(self, output: str, samples: int) -> None:
        """An output has ended whose reader got so many samples. Raises LedgerError unless it got all."""
        if isinstance(self.failure, LedgerError):
            raise self.failure  # it was told before
        if self.finished or (self.failure is None and not self.compiled.outputs[output].reader_left):
            try:
                check_delivered(self.compiled, output, samples)
            except LedgerError as error:
                self.failure, self.finished = error, False
                raise
            finally:
                self._unread.discard(output)
                if not self._unread:
                    self.tell_end()

    def leave(self, output: str) -> None:
        """Nobody reads this output any more."""
        self.compiled.outputs[output].leave()

    def record(self, trace: Trace | None) -> None:
        """Write what is done from now on into a trace, or (None) into none any more; from any thread."""
        self.recorder = None
        for segment in self.compiled.segments:
            segment.waited = None
        for executor in tuple(self.executors.values()):
            executor.seen = None
        if trace is not None:
            self.recorder = TraceRecorder(self.compiled.segments, self.executors.values(), trace)

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:
        """Show every block that goes into a stage to its tap before the stage has it; from any thread."""
        for name, tap in taps.items():
            for member in self.compiled.columns[name][0]:
                member.tap = tap

    async def _next_message(self, output: str) -> Message:
        message: Message | None = None
        with suppress(EndOfStream):  # left here: a failure is raised with no other error as its context
            message = await self.compiled.outputs[output].take()
        if message is None:
            await self._ended(output)
        if self.failure is not None:
            raise self.failure
        if message is None:
            raise EndOfStream
        return message

    async def _ended(self, output: str) -> None:
        """An output has ended; behind the last one the accounts are checked, which may fail the run."""
        self._unended.discard(output)
        if self.failure is None and not self._unended:
            assert self.gone is not None  # noqa: S101 - an output ends only after start()
            await self.gone.wait()

    # ---- the tasks

    async def _host(self) -> None:
        assert self._scope is not None  # noqa: S101 - start() made it
        assert self.gone is not None  # noqa: S101
        with ExitStack() as stack:  # whoever waits is told, whatever the end raises
            for channel in self.compiled.outputs.values():
                stack.callback(channel.end)
            stack.callback(self.gone.set)
            nodes, how = self.compiled.nodes, self.compiled.run
            log.info("run begins: %s; seed %d, %d CPUs", ", ".join(nodes), how.seed, how.cpus)
            try:
                await self._run()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._clean_up()
                if not self.finished:
                    self.tell_end()

    async def _run(self) -> None:
        assert self._scope is not None  # noqa: S101 - start() made it
        with self._scope:
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(watch_lock, self.lock, self.executors, self.compiled.at)
                async with anyio.create_task_group() as group:
                    with Capture(self._fail):  # what cannot even begin has failed like any other
                        self._open_executors()
                        await self._stand()
                        for segment in self.compiled.segments:
                            task = task_for(segment, self.compiled, self.executors, self.monitor)
                            group.start_soon(self._guard, segment, task, name=segment.name)
                watchers.cancel_scope.cancel()
        if self.failure is None and not self._scope.cancelled_caught:
            with Capture(self._fail, FlowloadError):
                # Where somebody stopped reading, what was under way was dropped, and is in no account.
                if not any(channel.reader_left for channel in self.compiled.channels):
                    await check_files(self.compiled.members, self.executors["io"])
                    check_made_again(self.compiled)
                    check_accounts(self.compiled)
                    self.finished = True

    async def _stand(self) -> None:
        """Put back what operators were in an earlier run, and read again what they held; before any task."""
        if isinstance(self.standing, RemoteStanding):
            self.standing.remote.go()
        elif self.standing is not None and self.standing.goes_on:
            await self.executors["io"].run(self.standing.put_back)
            await refill(self.compiled.members, self.executors["kernel"])

    def _open_executors(self) -> None:
        kernels = max([self.compiled.run.cpus, *(s.workers for s in self.compiled.segments)])
        waiting = len(self.compiled.waiting)
        for name, threads in (("kernel", kernels), ("io", max(IO_THREADS, kernels) + waiting)):
            self.executors[name] = Executor(name, threads, self.monitor.run_lock)
        if self.recorder is not None:  # it was there before the executors
            self.record(self.recorder.trace)

    async def _guard(self, segment: Segment, task: TaskMain) -> None:
        with self.monitor.task(), Capture(self._fail):
            try:
                await task()
            except ReaderGone:
                segment.leave()
            except EXITS as error:  # of user code in the main thread, where the loop is the reader's own
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = as_error(error)
            shortened(self.failure)
            assert self._scope is not None  # noqa: S101 - tasks run inside it
            self._scope.cancel()
            self.compiled.stop[0] = 1
            for channel in self.compiled.outputs.values():
                channel.fail()

    async def _clean_up(self) -> None:
        """Close everything, each, whatever the others raise."""
        self.compiled.stop[0] = 1
        if isinstance(self.standing, RemoteStanding):
            with Capture(self._not_closed):
                await anyio.to_thread.run_sync(self.standing.remote.close)
        for operator in () if self.finished else self.compiled.waiting:
            with Capture(self._not_closed):
                operator.stop(failed=self.failure is not None)
        for executor in self.executors.values():
            with Capture(self._not_closed, FAILURES):
                for name in await executor.close(PATIENCE):
                    log.error("thread %s is stuck in a call; the run is left without it", name)
        for close in (self.lock.close, self.compiled.close, self.compiled.release, self.pool.close):
            with Capture(self._not_closed, FAILURES):
                close()
        if self.loop is not None:
            self.loop.stop()
        self.process.stop()
        self.ended = perf_counter()

    def tell_end(self) -> None:
        """Its reader gets no more: say so in the log, unless that was said."""
        self.ending.tell(self.ended - self.began, self.delivered, self.failure, finished=self.finished)

    def _not_closed(self, error: BaseException) -> None:
        """A failure, or a line in the log if nobody listens."""
        assert self._scope is not None  # noqa: S101 - start() made it
        if self.failure is not None or self._scope.cancel_called:
            self.unclosed += 1
            log.error("a stage could not be closed", exc_info=error)
        else:
            self.failure = as_error(error)
            self.finished = False
