"""From a run to its trace: told by lanes and segments of what they have done, when somebody listens."""

from __future__ import annotations

from collections.abc import Callable
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

SEEN = 5e-4  #: seconds: a shorter wait is none, it is the way through the queue


class Told(NamedTuple):
    """How the jobs of one segment in one thread are written."""

    line: int  #: of the trace
    maps: bool  #: the operators are Maps
    members: tuple[Member, ...]  #: they
    places: range  #: theirs


class Recorder:
    """Writes what a run does into a trace: a track for each thread, and for each stage and thread.

    What can be put together later is: it is told of every job.
    """

    def __init__(self, run: Run, trace: Trace) -> None:
        self.trace = trace
        self.segments = {segment.rank: segment for segment in run.assembly.segments}
        self.told: dict[tuple[int, str], Told] = {}  #: by rank and thread
        self.waits: dict[tuple[str, str], Callable[[float, float], None]] = {}  #: what writes them
        self.busy: dict[str, float] = {}  #: seconds of each operator that are in the trace
        self.making = Lock()  #: threads make lines
        for segment in run.assembly.segments:
            segment.waited = partial(self.waited, segment.name)
        for lane in tuple(run.lanes.values()):
            lane.seen = self.seen

    def seen(self, thread: str, job: Job) -> None:
        """A job is done; told by the thread that did it, before anybody else knows."""
        told = self.told.get((job.rank, thread)) or self.tell(job.rank, thread)
        if told.maps:
            done = job.result or ()  # nothing, if it failed
            blocks = [item.number for item, _ in done]
            took = [sum([calls[k][1].seconds for _, calls in done if k < len(calls)]) for k in told.places]
        else:
            result = job.result
            made = result[0] if isinstance(result, tuple) and result else result
            words = made if isinstance(made, list) else ()  # parts for several outputs have their own numbers
            blocks = [word.number for word in words if isinstance(word, Item)]
            took = self.took_since(told.members)
        shift = job.shift
        began = shift.began
        self.trace.add(told.line, began, shift.ended, began - shift.queued, blocks, took)

    def tell(self, rank: int, thread: str) -> Told:
        """Made once."""
        segment, short = self.segments[rank], thread.removeprefix("flowload-")
        members = tuple(segment.members)
        parts = tuple((Track("stages", f"{each.node} in {short}"), each.name) for each in members)
        with self.making:
            line = self.trace.line(Line(Track("threads", short), segment.name, parts))
            found = self.told[rank, thread] = Told(line, segment.is_map, members, range(len(members)))
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
            add = self.waits.get((who, why))
            if add is None:
                with self.making:
                    line = self.trace.line(Line(Track("waits", who), why))
                add = self.waits[who, why] = self.trace.adder(line)
            add(began, ended)
