"""Which task runs a segment: by the shape of its operators (Source, Map, Fold, Route, Turn)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from flowload.abc.operators import Route, Source, Turn
from flowload.abc.powers import Paced
from flowload.runtime.channel import Channel
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.elsewhere.lane import RemoteLane
from flowload.runtime.elsewhere.lane_task import RemoteLaneTask
from flowload.runtime.lanes.rounds import Rounds
from flowload.runtime.tasks.chains.map_chain import is_async
from flowload.runtime.threads.executor import Executor
from flowload.runtime.threads.monitor import Monitor

from .async_calls import Coroutines
from .fold_task import FoldTask
from .map_task import MapTask
from .pacing import segments_behind
from .round_task import RoundTask
from .segment import Segment
from .source_task import run_source
from .wiring_task import RouteTask, TurnTask, run_turn

__all__ = ["TaskMain", "task_for"]

TaskMain: TypeAlias = Callable[[], Awaitable[None]]


def task_for(
    segment: Segment, compiled: CompiledGraph, executors: Mapping[str, Executor], monitor: Monitor
) -> TaskMain:
    """The coroutine function that runs a segment to its end; called in the event loop that will run it."""
    first = segment.members[0]
    operator, executor = first.operator, executors[first.stage.executor]
    if isinstance(operator, RemoteLane | Rounds):
        return lanes_for(segment, operator, monitor)
    if isinstance(operator, Source):
        return partial(run_source, segment, executors["io"], compiled.run.epochs)
    if isinstance(operator, Route | Turn):
        return wiring_for(segment, operator, executor, monitor)
    behind: tuple[Iterable[Channel], Sequence[Segment]] = (), ()
    if isinstance(operator, Paced):  # else nobody asks; to find them takes a look at all segments for each
        behind = compiled.outputs.values(), segments_behind(segment, compiled.segments)
    if not segment.is_map:
        return FoldTask(segment, monitor, executor, behind).run
    if is_async(first):
        coroutines = Coroutines(segment, monitor.run_lock)
        return partial(coroutines.during, MapTask(segment, monitor, coroutines.submit).run)
    return MapTask(segment, monitor, partial(executor.submit, priority=segment.priority), behind).run


def lanes_for(segment: Segment, operator: RemoteLane | Rounds, monitor: Monitor) -> TaskMain:
    """The same of a lane that is made elsewhere, and of where lanes come together."""
    if isinstance(operator, RemoteLane):
        return RemoteLaneTask(segment, operator, monitor).run
    return RoundTask(segment, operator, monitor).run


def wiring_for(segment: Segment, operator: Route | Turn, executor: Executor, monitor: Monitor) -> TaskMain:
    """The same of fan-out and fan-in."""
    if isinstance(operator, Route):
        route = RouteTask(segment, executor)
        monitor.deadlock_breakers.append(route.break_deadlock)
        return route.run
    turn = TurnTask(segment)
    monitor.deadlock_breakers.append(turn.break_deadlock)
    return partial(run_turn, turn)
