"""From a run to its trace: told by lanes and segments of what they have done, when somebody listens."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from flowload.observe.trace import Trace, Track

from .call import Member
from .channel import Item
from .lanes import Job
from .segment import Segment

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Recorder"]

SEEN = 1e-4  #: seconds: a shorter wait is none, it is the way through the queue


class Line(NamedTuple):
    """What is written of the jobs of one segment in one thread."""

    thread: Track
    name: str  #: of the segment
    maps: bool  #: its operators are Maps
    members: tuple[Member, ...]  #: they
    parts: tuple[tuple[Track, str], ...]  #: their tracks and names


class Recorder:
    """Writes what a run does into a trace: a track for each thread, and for each stage and thread.

    What can be put together later is: it is told of every job.
    """

    def __init__(self, run: Run, trace: Trace) -> None:
        self.trace = trace
        self.segments = {segment.rank: segment for segment in run.assembly.segments}
        self.lines: dict[tuple[int, str], Line] = {}  #: by rank and thread
        self.waits: dict[str, Track] = {}  #: by who waits
        self.busy: dict[str, float] = {}  #: seconds of each operator that are in the trace
        for segment in run.assembly.segments:
            segment.waited = partial(self.waited, segment)
        for lane in tuple(run.lanes.values()):
            lane.seen = self.seen

    def seen(self, thread: str, job: Job) -> None:
        """A job is done; told by the thread that did it, before anybody else knows."""
        rank, shift = job.rank, job.shift
        line = self.lines.get((rank, thread)) or self.line(rank, thread)
        blocks = numbers_of_calls(job.result) if line.maps else numbers_of_words(job.result)
        took = self.took_by_calls(job.result) if line.maps else self.took_since(line)
        queued, began, ended = shift.queued, shift.began, shift.ended
        self.trace.add(line.thread, line.name, began, ended, blocks, began - queued, line.parts, tuple(took))

    def line(self, rank: int, thread: str) -> Line:
        """Made once."""
        segment, short = self.segments[rank], thread.removeprefix("flowload-")
        members = tuple(segment.members)
        parts = tuple((Track("stages", f"{each.node} in {short}"), each.name) for each in members)
        found = self.lines[rank, thread] = Line(
            Track("threads", short), segment.name, segment.is_map, members, parts
        )
        return found

    def took_by_calls(self, result: Any) -> list[float]:
        """Seconds of each Map, over all calls of a job that went well: its result has them."""
        seconds: list[float] = []
        for _, calls in result if isinstance(result, list) else ():
            for place, (_, call, _) in enumerate(calls):
                if place < len(seconds):
                    seconds[place] += call.seconds
                else:
                    seconds.append(call.seconds)
        return seconds

    def took_since(self, line: Line) -> list[float]:
        """Seconds of each operator since the last job: others than Maps have settled already."""
        seconds = []
        for member in line.members:
            busy = member.meter.busy
            seconds.append(busy - self.busy.get(member.name, 0.0))
            self.busy[member.name] = busy
        return seconds

    def waited(self, segment: Segment, why: str, began: float) -> None:
        """A stage has waited until now; told inside `with moves:`, or in the loop."""
        ended = perf_counter()
        if ended - began > SEEN:
            self.trace.add(self.waiting(segment.name), why, began, ended)

    def delivered(self, waited: float) -> None:
        """A consumer has got a batch, and waited for so many seconds."""
        now = perf_counter()
        self.trace.add(self.waiting("consumers"), "waits for a batch", now - waited, now)

    def waiting(self, who: str) -> Track:
        """The track of a task, made once."""
        found = self.waits.get(who)
        if found is None:
            found = self.waits[who] = Track("waits", who)
        return found


def numbers_of_calls(result: Any) -> tuple[int, ...]:
    """Numbers of the blocks of a job of Maps: Items with their calls; none, if it failed."""
    return tuple([item.number for item, _ in result]) if isinstance(result, list) else ()


def numbers_of_words(result: Any) -> tuple[int, ...]:
    """Numbers of the blocks that came of another job: words, and whether that was all."""
    made = result[0] if isinstance(result, tuple) and result else result
    words = made if isinstance(made, list) else ()  # parts for several outputs have numbers of their own
    return tuple([word.number for word in words if isinstance(word, Item)])
