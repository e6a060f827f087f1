"""From a run to its trace: told by lanes and segments of what they have done, when somebody listens."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from flowload.observe.trace import Line, Trace, Track

from .call import Member
from .channel import Item
from .lanes import Job

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Recorder"]

SEEN = 1e-4  #: seconds: a shorter wait is none, it is the way through the queue


class Told(NamedTuple):
    """How the jobs of one segment in one thread are written."""

    line: int  #: of the trace
    maps: bool  #: the operators are Maps
    members: tuple[Member, ...]  #: they


class Recorder:
    """Writes what a run does into a trace: a track for each thread, and for each stage and thread.

    What can be put together later is: it is told of every job.
    """

    def __init__(self, run: Run, trace: Trace) -> None:
        self.trace = trace
        self.segments = {segment.rank: segment for segment in run.assembly.segments}
        self.told: dict[tuple[int, str], Told] = {}  #: by rank and thread
        self.waits: dict[tuple[str, str], int] = {}  #: lines of who waits for what
        self.busy: dict[str, float] = {}  #: seconds of each operator that are in the trace
        self.making = Lock()  #: threads make lines
        for segment in run.assembly.segments:
            segment.waited = partial(self.waited, segment.name)
        for lane in tuple(run.lanes.values()):
            lane.seen = self.seen

    def seen(self, thread: str, job: Job) -> None:
        """A job is done; told by the thread that did it, before anybody else knows."""
        told = self.told.get((job.rank, thread)) or self.tell(job.rank, thread)
        blocks: list[int] = []
        if told.maps:
            took = [0.0] * len(told.members)
            for item, calls in job.result or ():  # none, if it failed
                blocks.append(item.number)
                for place, (_, call, _) in enumerate(calls):
                    took[place] += call.seconds
        else:
            took = self.took_since(told.members)
            result = job.result
            made = result[0] if isinstance(result, tuple) and result else result
            for word in made if isinstance(made, list) else ():
                if isinstance(word, Item):  # parts for several outputs have numbers of their own
                    blocks.append(word.number)  # noqa: PERF401 - mostly one
        shift = job.shift
        self.trace.add(
            told.line,
            shift.began,
            shift.ended,
            waited=shift.began - shift.queued,
            blocks=blocks,
            took=took,
        )

    def tell(self, rank: int, thread: str) -> Told:
        """Made once."""
        segment, short = self.segments[rank], thread.removeprefix("flowload-")
        members = tuple(segment.members)
        parts = tuple((Track("stages", f"{each.node} in {short}"), each.name) for each in members)
        with self.making:
            line = self.trace.line(Line(Track("threads", short), segment.name, parts))
            found = self.told[rank, thread] = Told(line, segment.is_map, members)
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
        """Somebody has waited; told inside `with moves:`, or in the loop."""
        if ended - began > SEEN:
            line = self.waits.get((who, why))
            if line is None:
                with self.making:
                    line = self.waits[who, why] = self.trace.line(Line(Track("waits", who), why))
            self.trace.add(line, began, ended)
