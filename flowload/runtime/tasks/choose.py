"""Which task runs a segment: the one for the shape of its operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from flowload.abc.operators import Route, Source, Turn
from flowload.runtime.compile import Assembly
from flowload.runtime.threads.executor import Lane
from flowload.runtime.threads.monitor import Stillness

from .async_calls import Coroutines
from .fold_task import FoldTask
from .map_chain import is_async
from .map_task import MapTask
from .pacing import segments_behind
from .segment import Segment
from .source_task import run_source
from .wiring_task import TurnTask, run_route, run_turn

__all__ = ["Task", "task_of"]

Task: TypeAlias = Callable[[], Awaitable[None]]


def task_of(segment: Segment, assembly: Assembly, lanes: Mapping[str, Lane], still: Stillness) -> Task:
    """The task of a segment; in the loop that will run it."""
    first = segment.members[0]
    operator, lane = first.operator, lanes[first.stage.lane]
    if isinstance(operator, Source):
        return partial(run_source, segment, lanes["io"], assembly.epochs)
    if isinstance(operator, Route):
        return partial(run_route, segment, lane)
    if isinstance(operator, Turn):
        turn = TurnTask(segment)
        still.remedies.append(turn.relieve)
        return partial(run_turn, turn)
    if not segment.is_map:
        behind = assembly.outputs.values(), segments_behind(segment, assembly.segments)
        return FoldTask(segment, still, lane, behind).run
    if not is_async(first):
        return MapTask(segment, still, partial(lane.submit, rank=segment.rank)).run
    coroutines = Coroutines(segment, still.moves)
    return partial(coroutines.during, MapTask(segment, still, coroutines.submit).run)
