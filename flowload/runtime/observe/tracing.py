"""Writes jobs and long waits of a run into a trace: executors and segments call it where one is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from flowload.observe.trace import Add, Line, Trace, Track
from flowload.runtime.channel import Message, NumberedBlock
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.executor import Executor, Job

__all__ = ["TraceRecorder"]


class Told(NamedTuple):
    """How jobs of one segment in one thread are written to the trace."""

    add: Add  #: see `Trace.adder`
    maps: bool  #: the operators are Maps
    members: tuple[Member, ...]  #: they


class TraceRecorder:
    """Writes what a run does into a trace: a track for each thread, and for each stage and thread.

    What can be put together later is: it is told of every job.
    """

    def __init__(self, segments: Sequence[Segment], executors: Iterable[Executor], trace: Trace) -> None:
        self.trace = trace
        self.segments = {segment.priority: segment for segment in segments}
        self.told: dict[tuple[int, str], Told] = {}  #: by priority and thread
        self.waits: dict[tuple[str, str], Add] = {}  #: by who waits for what
        self.busy: dict[str, float] = {}  #: seconds of each operator that are in the trace
        for segment in segments:
            segment.waited = partial(self.waited, segment.name)
        for executor in tuple(executors):
            executor.seen = self.seen

    def seen(self, thread: str, job: Job) -> None:
        """A job is done; told by the thread that did it, before anybody else knows."""
        told = self.told.get((job.priority, thread)) or self.tell(job.priority, thread)
        result = job.result
        first = count = 0
        if told.maps:
            took = [0.0] * len(told.members)
            if result:  # else it failed
                first, count = result[0][0].number, len(result)  # neighbours in the stream
                for _, calls in result:
                    place = 0
                    for _, call, _ in calls:
                        took[place] += call.seconds
                        place += 1  # noqa: SIM113 - enumerate() takes longer
        else:
            took = self.took_since(told.members)
            messages = result[0] if isinstance(result, tuple) and result else result
            if isinstance(messages, list):  # parts for several outputs, which are numbered later, are no list
                first, count = span_of(messages)
        timing = job.timing
        began = timing.began
        told.add(began, timing.ended, began - timing.queued, first, count, took)

    def tell(self, priority: int, thread: str) -> Told:
        """What writes the slices of a segment's jobs in one thread; made at the first of them."""
        segment, short = self.segments[priority], thread.removeprefix("flowload-")
        members = tuple(segment.members)
        parts = tuple((Track("stages", f"{each.node} in {short}"), each.name) for each in members)
        add = self.trace.adder(Line(Track("threads", short), segment.name, parts))
        found = self.told[priority, thread] = Told(add, segment.is_map, members)
        return found

    def took_since(self, members: tuple[Member, ...]) -> list[float]:
        """Seconds of each operator since the last job: others than Maps have settled already."""
        seconds = []
        for member in members:
            busy = member.meter.busy
            seconds.append(busy - self.busy.get(member.name, 0.0))
            self.busy[member.name] = busy
        return seconds

    def waited(self, who: str, why: str, began: float, ended: float) -> None:
        """Somebody has waited for long; told inside `with run_lock:`, or in the loop."""
        add = self.waits.get((who, why))
        if add is None:
            add = self.waits[who, why] = self.trace.adder(Line(Track("waits", who), why))
        add(began, ended)


def span_of(messages: list[Message]) -> tuple[int, int]:
    """The number of the first block among messages, and how many blocks there are: they are neighbours."""
    for message in messages:
        if isinstance(message, NumberedBlock):
            last = next(other for other in reversed(messages) if isinstance(other, NumberedBlock))
            return message.number, last.number - message.number + 1
    return 0, 0
