"""A stage alone: what it was given in a run is given to it again, with nothing else beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle
from time import perf_counter
from typing import ClassVar

import anyio

from flowload.abc.operators import Block, Call, Operator, Setting, State
from flowload.graph import End, Node, Origin, Placed, Plan, Stage
from flowload.observe.stations import since, tasks_before
from flowload.observe.stats import RunStats
from flowload.runtime.capture import Capture
from flowload.runtime.channel import EndOfStream
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.observe.stats_snapshot import snapshot
from flowload.runtime.run import Run
from flowload.runtime.threads.monitor import Monitor, RunLock

from .model import Replay
from .recorded_inputs import copied

__all__ = ["replay"]

INPUTS = "the inputs"  #: no node of a user's can have this name
MOST_BYTES = 1 << 29  #: given to one stage, which may keep them all
WARM = 0.3  #: of the seconds, after which what a stage does is measured
PATIENCE = 4.0  #: times the seconds asked for, after which a replay is stopped where it is


@dataclass(frozen=True, kw_only=True)
class Inputs(Stage):
    """Declaration of a replay's source: recorded blocks, given again and again."""

    word: ClassVar[str] = "inputs"

    blocks: tuple[Block, ...]
    seconds: float
    least: int  #: blocks to give whatever the time

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - nothing comes in
        """Anything."""
        return {"out": object}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Source."""
        return (Again(self),)


class Again:
    """Source operator that gives recorded blocks over and over, until the time is up."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    def epoch(self, number: int, call: Call) -> Iterator[Block]:  # noqa: ARG002 - no randomness
        """The one pass."""
        until = perf_counter() + self.inputs.seconds
        nbytes = 0
        for given, block in enumerate(cycle(self.inputs.blocks)):
            enough = given >= self.inputs.least and perf_counter() > until
            if enough or nbytes > MOST_BYTES:
                return
            nbytes += block.nbytes
            yield copied(block)

    def state(self) -> State:
        """None is kept: a replay is not gone on from."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to restore."""


def replay(
    placed: Placed, blocks: Sequence[Block], *, workers: int | None, seconds: float, cpus: int
) -> Replay | None:
    """What a stage needs for these blocks, alone and with so many workers; None: it did nothing in time.

    Raises what the stage raises.

    Args:
        placed: the stage in its place; its neighbours are told to it, but not run.
        blocks: given in turn, again and again.
        workers: None: as many as the stage says.
        seconds: how long blocks are given.
        cpus: CPUs to use.
    """
    plan = alone(placed, blocks, workers, seconds)
    pool, monitor = BufferPool(), Monitor(RunLock())
    now, before, parallel = anyio.run(_through, lambda: _opened(plan, pool, monitor, cpus), seconds)
    return account(now, before, placed.name, parallel=parallel)


def alone(placed: Placed, blocks: Sequence[Block], workers: int | None, seconds: float) -> Plan:
    """A drawing of one stage, between the blocks that it was given and an output."""
    inputs = Inputs(blocks=tuple(blocks), seconds=seconds, least=2 * (workers or 1))
    source = Placed(INPUTS, Node(inputs, (), None, placed.node.where), (), ("out",), (object,), False, (), ())
    stage = placed.stage if workers is None else replace(placed.stage, workers=workers)
    node = Node(stage, placed.node.inputs, placed.node.name, placed.node.where, placed.node.token)
    target = replace(placed, node=node, inputs=(Origin(INPUTS, "out"),))
    return Plan((source, target), (End("out", placed.name, "out"),))


def _opened(plan: Plan, pool: BufferPool, monitor: Monitor, cpus: int) -> Run:
    return Run(CompiledGraph(plan, pool, monitor, Setting(seed=0, epochs=1, cpus=cpus)), pool, monitor)


async def _through(opened: Callable[[], Run], seconds: float) -> tuple[RunStats, RunStats | None, bool]:
    """Run to the end, or as far as it comes: the end, when it was warm, whether it has a Map."""
    run = opened()
    errors: list[Exception] = []
    warm: list[RunStats] = []
    async with anyio.create_task_group() as group:
        await run.start(group)
        # Raised below, where no group wraps it.
        with Capture(errors.append), anyio.move_on_after(seconds * PATIENCE + 1.0):
            await _read(run, seconds, warm)
        await run.stop()
    for error in errors:
        raise error
    parallel = any(segment.is_map for segment in run.compiled.segments if segment.priority > 0)
    return snapshot(run), warm[0] if warm else None, parallel


async def _read(run: Run, seconds: float, warm: list[RunStats]) -> None:
    """Take all blocks. When a part of the time is over, its buffers are there, and it is warm.

    A stage that gives its first block when nothing goes into it any more never was: all that it did counts.
    """
    with suppress(EndOfStream):
        while True:
            run.delivered.note("out", await run.take("out"), 0.0, 0, run.recorder)
            if not warm and WARM * seconds < perf_counter() - run.began < seconds:
                warm.append(snapshot(run))


def account(now: RunStats, before: RunStats | None, name: str, *, parallel: bool) -> Replay | None:
    """What the stage took, a sample that it gave; of a stage that gave nothing, a block that it took."""
    past = None if before is None else before.stages[name]
    stage = now.stages[name]
    tasks = [since(t, p) for t, p in zip(now.tasks, tasks_before(now, before), strict=True) if name in t.work]
    per_sample = stage.out > 0
    count = stage.out - (past.out if past else 0) if per_sample else stage.blocks_in
    hop = max(task.work[name] / task.workers for task in tasks)
    if not count or not hop:
        return None if before is None else account(now, None, name, parallel=parallel)
    elapsed = now.elapsed - (before.elapsed if before else 0.0)
    return Replay(
        workers=max(task.workers for task in tasks),
        parallel=parallel,
        per_sample=per_sample,
        hop=hop / count,
        cpu=sum(task.cpu for task in tasks) / count,
        used=min(1.0, hop / elapsed) if elapsed > 0 else 0.0,
        seen=count,
    )
