# What a run promises. Each line has a test in tests/runtime: test_contract.py, test_books.py (the books).
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
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from time import perf_counter

import anyio
from anyio.abc import TaskGroup

from flowload.abc.operators import Block, Mark
from flowload.errors import FlowloadError, LedgerError
from flowload.observe.trace import Trace
from flowload.observe.waits import Waits
from flowload.printable import text_of
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.observe.accounts import check_books, check_delivered
from flowload.runtime.observe.process import Machine
from flowload.runtime.observe.tracing import Recorder
from flowload.runtime.tasks.choose import Task, task_of
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.eventloop import keep_ctrl_c_out
from flowload.runtime.threads.executor import Lane
from flowload.runtime.threads.monitor import Stillness

from .capture import EXITS, FAILURES, Kept, as_error, shortened
from .channel import Channel, EndOfStream, ReaderGone, Word
from .compile import Assembly
from .unchanged import check_files

__all__ = ["Run"]

log = logging.getLogger("flowload")

PATIENCE = 5.0  #: seconds that a run waits for a call that is under way
IO_THREADS = 8  #: blocking I/O costs no CPU, so it may have more threads than there are CPUs


class Run:
    """Opened by `start` inside an event loop; `outputs` carry what it makes; `stop` ends it."""

    def __init__(self, assembly: Assembly, pool: BufferPool, still: Stillness) -> None:
        self.assembly = assembly
        self.pool = pool
        self.still = still
        self.failure: BaseException | None = None
        self.finished = False
        self.unclosed = 0  #: parts of it that could not be closed when it was stopped
        self.delivered = 0
        self.blocks_delivered = 0
        self.consumer_wait = 0.0
        self.waits = Waits()
        self.began = perf_counter()
        self.ended = 0.0
        self.loop_clock: int | None = None
        self.loop_began = 0.0
        self.loop_time = 0.0
        self.machine = Machine()
        self.recorder: Recorder | None = None
        self._unended = set(assembly.outputs)
        self._scope: anyio.CancelScope | None = None
        self.gone: anyio.Event | None = None
        self.lanes: dict[str, Lane] = {}  #: by name

    async def start(self, group: TaskGroup) -> None:
        """Start every task, in a scope of their own, so that the reader is never cancelled with them."""
        self.began = perf_counter()
        self.machine = Machine()
        self.loop_clock = _thread_clock()
        self.loop_began = time.thread_time()
        self.gone = anyio.Event()
        self._scope = anyio.CancelScope()
        self.still.moves.rest = self.still.look
        keep_ctrl_c_out(self._host, self._guard, Channel.take)  # the reader takes inside `with moves:`
        group.start_soon(self._host, name="flowload run")

    async def take(self, output: str) -> Block:
        """The next block of an output. Raises what failed; EndOfStream at the end."""
        while True:
            word = await self._word(output)
            if not isinstance(word, Mark) and word.block is not None:
                return word.block

    def delivered_one(self, block: Block, waited: float) -> int:
        """Count a block that a reader got, and the seconds that it waited; returns its samples."""
        samples = len(block)
        self.delivered += samples
        self.blocks_delivered += 1
        self.consumer_wait += waited
        if self.recorder is not None and waited > Segment.long_wait:
            now = perf_counter()
            self.recorder.waited("consumers", "waits for a batch", now - waited, now)
        if not getattr(block, "more", False):
            self.waits.note(waited)
        return samples

    async def stop(self) -> None:
        """End the run wherever it is, and wait until nothing of it is left."""
        if self._scope is not None and self.gone is not None:
            self._scope.cancel()
            self.assembly.stop[0] = 1  # after it: nobody is told of the calls that this ends
            for channel in self.assembly.outputs.values():
                channel.leave()
            with anyio.CancelScope(shield=True):
                await self.gone.wait()

    def check_delivered(self, output: str, samples: int) -> None:
        """An output has ended whose reader got so many samples. Raises LedgerError unless it got all."""
        if isinstance(self.failure, LedgerError):
            raise self.failure  # it was told before
        if self.finished or (self.failure is None and not self.assembly.outputs[output].left):
            try:
                check_delivered(self.assembly, output, samples)
            except LedgerError as error:
                self.failure, self.finished = error, False
                raise

    def leave(self, output: str) -> None:
        """Nobody reads this output any more."""
        self.assembly.outputs[output].leave()

    def record(self, trace: Trace) -> None:
        """Write what is done from now on into a trace; from any thread."""
        self.recorder = Recorder(self.assembly.segments, self.lanes.values(), trace)

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:
        """Show every block that goes into a stage to its tap before the stage has it; from any thread."""
        for name, tap in taps.items():
            self.assembly.nodes[name][0].tap = tap

    async def _word(self, output: str) -> Word:
        word: Word | None = None
        with suppress(EndOfStream):  # left here: a failure is raised with no other error as its context
            word = await self.assembly.outputs[output].take()
        if word is None:
            await self._ended(output)
        if self.failure is not None:
            raise self.failure
        if word is None:
            raise EndOfStream
        return word

    async def _ended(self, output: str) -> None:
        """An output is at its end; at the last one the books are checked, which may be a failure."""
        self._unended.discard(output)
        if self.failure is None and not self._unended:
            assert self.gone is not None  # noqa: S101 - an output ends only after start()
            await self.gone.wait()

    # ---- the tasks

    async def _host(self) -> None:
        assert self._scope is not None  # noqa: S101 - start() made it
        assert self.gone is not None  # noqa: S101
        with ExitStack() as stack:  # whoever waits is told, whatever the end raises
            for channel in self.assembly.outputs.values():
                stack.callback(channel.end)
            stack.callback(self.gone.set)
            stages = self.assembly.nodes
            log.info(
                "run begins: %s; seed %d, %d CPUs", ", ".join(stages), self.assembly.seed, self.assembly.cpus
            )
            try:
                await self._run()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._clean_up()
                log.info("run ends after %.1f s: %s", self.ended - self.began, self._outcome())

    async def _run(self) -> None:
        assert self._scope is not None  # noqa: S101 - start() made it
        with self._scope:
            async with anyio.create_task_group() as group:
                with Kept(self._fail):  # what cannot even begin has failed like any other
                    self._open_lanes()
                    for segment in self.assembly.segments:
                        task = task_of(segment, self.assembly, self.lanes, self.still)
                        group.start_soon(self._guard, segment, task, name=segment.name)
        if self.failure is None and not self._scope.cancelled_caught:
            with Kept(self._fail, FlowloadError):
                # Where somebody stopped reading, what was under way was let go, and is in no book.
                if not any(channel.left for channel in self.assembly.channels):
                    await check_files(self.assembly.members, self.lanes["io"])
                    check_books(self.assembly)
                    self.finished = True

    def _open_lanes(self) -> None:
        kernels = max([self.assembly.cpus, *(s.workers for s in self.assembly.segments)])
        waiting = len(self.assembly.waiting)
        for name, threads in (("kernel", kernels), ("io", max(IO_THREADS, kernels) + waiting)):
            self.lanes[name] = Lane(name, threads, self.still.moves)
        if self.recorder is not None:  # it was there before the lanes
            self.record(self.recorder.trace)

    async def _guard(self, segment: Segment, task: Task) -> None:
        with self.still.task(), Kept(self._fail):
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
            self.assembly.stop[0] = 1
            for channel in self.assembly.outputs.values():
                channel.fail()

    async def _clean_up(self) -> None:
        """Close everything, each, whatever the others raise."""
        self.assembly.stop[0] = 1
        for operator in () if self.finished else self.assembly.waiting:
            with Kept(self._not_closed):
                operator.stop(failed=self.failure is not None)
        for lane in self.lanes.values():
            with Kept(self._not_closed, FAILURES):
                for name in await lane.close(PATIENCE):
                    log.error("thread %s is stuck in a call; the run is left without it", name)
        for close in (self.assembly.close, self.assembly.release, self.pool.close):
            with Kept(self._not_closed, FAILURES):
                close()
        self.loop_time = time.thread_time() - self.loop_began
        self.machine.stop()
        self.ended = perf_counter()

    def _outcome(self) -> str:
        """How it went, in one line."""
        what = f"{self.blocks_delivered:,} batches, {self.delivered:,} samples"
        if self.failure is None:
            return f"{'finished' if self.finished else 'stopped'}; {what}"
        told = [f"failed; {what}", *getattr(self.failure, "__notes__", ()), text_of(self.failure)]
        return " ".join("; ".join(told).split())

    def _not_closed(self, error: BaseException) -> None:
        """A failure, or a line in the log if nobody listens."""
        assert self._scope is not None  # noqa: S101 - start() made it
        if self.failure is not None or self._scope.cancel_called:
            self.unclosed += 1
            log.error("a stage could not be closed", exc_info=error)
        else:
            self.failure = as_error(error)
            self.finished = False


def _thread_clock() -> int | None:
    if hasattr(time, "pthread_getcpuclockid"):
        return time.pthread_getcpuclockid(threading.get_ident())
    return None
