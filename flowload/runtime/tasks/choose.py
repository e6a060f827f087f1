"""Which task runs a segment: by the shape of its operators (Source, Map, Fold, Route, Turn)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from flowload.abc.operators import Route, Source, Turn
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.threads.executor import Executor
from flowload.runtime.threads.monitor import Monitor

from .async_calls import Coroutines
from .fold_task import FoldTask
from .map_chain import is_async
from .map_task import MapTask
from .pacing import segments_behind
from .segment import Segment
from .source_task import run_source
from .wiring_task import TurnTask, run_route, run_turn

__all__ = ["TaskMain", "task_for"]

TaskMain: TypeAlias = Callable[[], Awaitable[None]]


def task_for(
    segment: Segment, compiled: CompiledGraph, executors: Mapping[str, Executor], monitor: Monitor
) -> TaskMain:
    """The coroutine function that runs a segment to its end; called in the event loop that will run it."""
    first = segment.members[0]
    operator, executor = first.operator, executors[first.stage.executor]
    if isinstance(operator, Source):
        return partial(run_source, segment, executors["io"], compiled.epochs)
    if isinstance(operator, Route):
        return partial(run_route, segment, executor)
    if isinstance(operator, Turn):
        turn = TurnTask(segment)
        monitor.deadlock_breakers.append(turn.break_deadlock)
        return partial(run_turn, turn)
    behind = compiled.outputs.values(), segments_behind(segment, compiled.segments)
    if not segment.is_map:
        return FoldTask(segment, monitor, executor, behind).run
    if not is_async(first):
        return MapTask(segment, monitor, partial(executor.submit, priority=segment.priority), behind).run
    coroutines = Coroutines(segment, monitor.run_lock)
    return partial(coroutines.during, MapTask(segment, monitor, coroutines.submit).run)
