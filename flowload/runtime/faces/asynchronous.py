"""The asynchronous face of a run: `async with graph.stream(...) as batches`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Self

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowload.abc.operators import Block, State
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Plan
from flowload.observe.stall import Dump
from flowload.observe.state_cost import StateCost
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.runtime.capsules.write import Capsules
from flowload.runtime.capture import as_error
from flowload.runtime.channel import Channel, EndOfStream
from flowload.runtime.elsewhere.standing import RemoteStanding
from flowload.runtime.elsewhere.statistics import as_one
from flowload.runtime.observe.dump import dump
from flowload.runtime.observe.stats_snapshot import snapshot
from flowload.runtime.order import Order
from flowload.runtime.run import Run
from flowload.runtime.state.cost import cost_of
from flowload.runtime.threads.eventloop import keep_ctrl_c_out

from .anchored import Anchored, check_chunks, while_it_runs
from .async_reading import AsyncReading

__all__ = ["AsyncBatches", "hand_over", "parts_of"]

log = logging.getLogger("flowload")

NO_CUTS = "a state of this run counts batches alone: other stages than maps are behind its lanes"


class AsyncBatches(AsyncReading, Anchored):
    """A run inside the reader's own event loop. Leaving the context is the stop button.

    Args:
        order: what is run, and how.
        forwards: its batches go on to a reader elsewhere, who may have all of them long after it is left.
    """

    def __init__(self, order: Order, *, forwards: bool = False) -> None:
        super().__init__(order)
        self.forwards = forwards
        self.delivered = order.delivered()  #: blocks by output, those of an earlier run included
        self.run: Run | None = None
        self._trace: Trace | None = None  # that was asked for before there was a run
        self._skips = order.delivered()
        self._samples = dict.fromkeys(order.outputs, 0)  # handed over, or skipped, by output
        self._rest: dict[str, deque[Block]] = {name: deque() for name in order.outputs}
        self._group: TaskGroup | None = None
        self._left = False
        self._counting = threading.Lock()  # several threads may read through the bridge

    async def __aenter__(self) -> Self:
        if self.run is not None:
            raise ClosedRun("a run is entered once; graph.stream() makes another")
        self.run = await self.order.begun()
        self._go_on(self.run)
        if self._trace is not None:
            self.run.record(self._trace)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        keep_ctrl_c_out(self._leave)
        await self.run.start(self._group)
        return self

    def _go_on(self, run: Run) -> None:
        """What the stages do not make again is not there to be skipped."""
        if run.standing is not None and run.standing.goes_on:
            for name in self.order.outputs:
                boundaries = run.compiled.outputs[name].boundaries
                assert boundaries is not None  # noqa: S101 - every output has
                stand = boundaries.stand(0)
                self._skips[name] -= stand.parts
                self._samples[name] = stand.samples

    async def __aexit__(self, *_: object) -> None:
        await self._leave()
        if not self.forwards:
            self.begun_run().tell_end()

    async def _leave(self) -> None:
        assert self.run is not None  # noqa: S101 - __aenter__ made both
        assert self._group is not None  # noqa: S101
        self._left = True
        try:
            await self.run.stop()
        finally:
            # The group is not told of the reader's error, which would come out wrapped: it has nothing to
            # do with the tasks. They are gone, unless the loop cancelled that wait: then the group waits.
            await self._group.__aexit__(None, None, None)

    def epoch_of(self, output: str) -> int:
        """Number of the pass that an output's last batch belongs to; before the first, the first pass."""
        boundaries = None if self.run is None else self.channel(output).boundaries
        return self.order.first_epoch if boundaries is None else boundaries.epoch

    async def next(self, output: str) -> Any:
        """What the reader gets of an output's next block; StopAsyncIteration at the end, then ClosedRun."""
        began = perf_counter()
        # A batch that is ready is taken without waiting, and a reader that never waits is never cancelled.
        await anyio.lowlevel.checkpoint_if_cancelled()
        try:
            block = await self.take(output)
        except StopAsyncIteration:
            self.check_delivered(output)
            self._ended.once(output, anyio.get_current_task().id)
            raise
        return self.hand_over(output, block, perf_counter() - began)

    async def take(self, output: str) -> Block:
        """The next block that no earlier run has delivered; StopAsyncIteration at the end."""
        if self.run is None or self._left:
            raise ClosedRun("batches come inside `async with graph.stream(...)`")
        rest = self._rest[output]
        try:
            while True:
                while rest:
                    block = rest.popleft()
                    if getattr(block, "more", False):  # nobody waits for it: others of the loop have a turn
                        await anyio.lowlevel.cancel_shielded_checkpoint()
                    if not self._skips[output]:
                        return block
                    self._skips[output] -= 1
                    self._samples[output] += len(block)
                rest.extend(parts_of(await self.run.take(output)))
        except EndOfStream:
            if self._skips[output]:
                raise self._too_short(output) from None
            raise StopAsyncIteration from None

    def at_hand(self, output: str) -> Sequence[Block]:
        """The blocks that came with the last one taken, and go on without `take`."""
        rest = self._rest[output]
        return [rest.popleft() for _ in range(len(rest))]

    def channel(self, output: str) -> Channel:
        """Where an output's blocks come from, once `take` has given the first."""
        assert self.run is not None  # noqa: S101 - it gave a block
        return self.run.compiled.outputs[output]

    def _too_short(self, output: str) -> GraphError:
        wanted = self.order.delivered()[output]
        return GraphError(
            f"the state is {wanted:,} batches into {output!r}, but that ended after"
            f" {wanted - self._skips[output]:,}: these are other data, or fewer epochs"
        )

    def hand_over(self, output: str, block: Block, waited: float) -> Any:
        """Count a block that reaches its reader; what the reader gets, in the reader's own thread."""
        self.count(output, block, waited)
        return hand_over(block)

    def count(self, output: str, block: Block, waited: float) -> None:
        """Count a block that reaches its reader, who has waited so many seconds."""
        assert self.run is not None  # noqa: S101 - it gave the block
        with self._counting:
            self.delivered[output] = part = self.delivered[output] + 1
            boundaries = self.run.compiled.outputs[output].boundaries
            if boundaries is not None and boundaries.ends:
                boundaries.reached(part)
            epoch = self.order.first_epoch
            if boundaries is not None:
                boundaries.stand(part)
                epoch = boundaries.epoch
            self._samples[output] += self.run.delivered.note(output, block, waited, epoch, self.run.recorder)

    def check_delivered(self, output: str) -> None:
        """An output has ended, and its reader has all of it; or LedgerError."""
        assert self.run is not None  # noqa: S101 - it has ended
        with self._counting:
            self.run.check_delivered(output, self._samples[output])

    def stats(self) -> RunStats:
        """The run at this moment; from any thread, also after it was left."""
        now = snapshot(self.begun_run())
        remote = self.order.remote
        return now if remote is None else as_one(self.plan, remote.cut, now, remote.stats())

    @property
    def plan(self) -> Plan:
        """What is run: the graph's stages, and those that keep ranks equal."""
        return self.order.graph.plan if self.run is None else self.run.compiled.plan

    @property
    def recording(self) -> Trace | None:
        """The trace that is written now."""
        if self.run is None:
            return self._trace
        recorder = self.run.recorder
        return None if recorder is None else recorder.trace

    def record(self, trace: Trace | None) -> None:
        """Write what the run does from now on into a trace, or (None) stop that; from any thread.

        Before the run is entered: from its first call on.
        """
        if self.run is None:
            self._trace = trace
        else:
            self.run.record(trace)

    def tap(self, taps: Mapping[str, Callable[[Block], object]]) -> None:
        """Show every block that goes into a stage to its tap before the stage has it; from any thread."""
        self.begun_run().tap(taps)

    def dump(self) -> Dump:
        """What everybody in the run does at this moment; from any thread."""
        return dump(self.begun_run())

    def begun_run(self) -> Run:
        """The run. Raises ClosedRun before it was entered."""
        if self.run is None:
            raise ClosedRun("this run was not entered yet")
        return self.run

    async def wait(self, *, chunks: int, since: str | None = None) -> int:
        """Wait until so many chunks have come since an anchor; returns how many. See `new_chunks`.

        Files are indexed as they come, whether batches are read meanwhile or not. Raises ClosedRun where the
        run ends, and what it fails with.
        """
        check_chunks(chunks)
        arrivals, run = self.arrivals(), self.begun_run()
        return await while_it_runs(
            run, lambda: arrivals.wait(chunks, run.growth.anchor if since is None else since)
        )

    def stalled(self, dump: Dump) -> None:
        """Keep capsules of the calls that a run without progress is in, if it keeps any."""
        members = list(self.begun_run().compiled.members)
        keeper = members[0].capsules if members else None
        if isinstance(keeper, Capsules):
            keeper.stalled(dump, members)

    def state_cost(self) -> StateCost:
        """What the state weighs that `state_dict` gives now, and what going on from it costs."""
        if self.run is None or self.run.standing is None:
            why = "the run has not begun" if self.run is None else NO_CUTS
            return StateCost(stages={}, begins_anew=why, seconds=0.0, longest=0.0)
        if isinstance(self.run.standing, RemoteStanding):
            return StateCost(stages={}, begins_anew=None, seconds=0.0, longest=0.0)
        with self._counting:
            return cost_of(self.run.standing, self.delivered)

    def cut(self) -> None:
        """Have stages save their parts at every block, until a state is taken of what is made from now on.

        Nothing is waited for. Blocks that are under way are of before; so ask some batches before the state.
        """
        run = self.begun_run()
        if run.standing is None:
            log.warning("%s", NO_CUTS)
        else:
            run.standing.cut()

    def state(self) -> State:
        """The same with arrays in it that are no JSON values yet."""
        with self._counting:
            return self.order.write(self.delivered, self.run)


def hand_over(block: Block) -> Any:
    """What a consumer gets of a block. Raises UserCodeError for what would end the consumer's loop."""
    try:
        return deliver() if (deliver := getattr(block, "deliver", None)) is not None else block
    except (StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError) as error:
        raise as_error(error) from error


def parts_of(block: Block) -> Sequence[Block]:
    """What a reader gets one after the other: a bundle parts."""
    # Not `isinstance(block, Bundled)`: a protocol asked at run time costs more than the rest of a hand-over.
    parts: Sequence[Block] | None = getattr(block, "bundled", None)
    return (block,) if parts is None else parts
