"""From a run to its trace: told by lanes and segments of what they have done, when somebody listens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flowload.observe.trace import Trace, Track

from .call import Member
from .channel import Item
from .lanes import Job
from .segment import Segment

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Recorder"]

SEEN = 1e-4  #: seconds: a shorter wait is none, it is the way through the queue


class Recorder:
    """Writes what a run does into a trace: a track for each thread, and for each stage and thread."""

    def __init__(self, run: Run, trace: Trace) -> None:
        self.trace = trace
        self.segments = {segment.rank: segment for segment in run.assembly.segments}
        self.tracks: dict[tuple[str, str, str], Track] = {}
        self.busy: dict[str, float] = {}  #: seconds of each operator that are in the trace
        for segment in run.assembly.segments:
            segment.waited = partial(self.waited, segment)
        for lane in tuple(run.lanes.values()):
            lane.seen = self.seen

    def seen(self, thread: str, job: Job) -> None:
        """A job is done; told inside `with moves:`."""
        segment, shift = self.segments[job.rank], job.shift
        blocks = numbers(job.result)
        self.trace.add(
            self.track("threads", thread),
            segment.name,
            shift.began,
            shift.ended,
            blocks,
            shift.began - shift.queued,
        )
        at = shift.began
        for member, seconds in self.parts(segment, job.result):
            end = min(at + seconds, shift.ended)
            self.trace.add(self.track("stages", member.node, thread), member.name, at, end, blocks)
            at = end

    def track(self, group: str, name: str, thread: str = "") -> Track:
        """The track of a thread, of a stage in it, or of a task; made once."""
        key = (group, name, thread)
        found = self.tracks.get(key)
        if found is None:
            names = (each.removeprefix("flowload-") for each in (name, thread) if each)
            found = self.tracks[key] = Track(group, " in ".join(names))
        return found

    def parts(self, segment: Segment, result: Any) -> Iterator[tuple[Member, float]]:
        """What each operator took of a job: Maps say it in their result, others have settled already."""
        if segment.is_map:
            done = result if isinstance(result, list) else []  # no list: it failed
            yield from ((member, call.seconds) for _, calls in done for member, call, _ in calls)
            return
        for member in segment.members:
            new = member.meter.busy - self.busy.get(member.name, 0.0)
            self.busy[member.name] = member.meter.busy
            if new > 0:
                yield member, new

    def waited(self, segment: Segment, why: str, began: float) -> None:
        """A stage has waited until now; told inside `with moves:`, or in the loop."""
        ended = perf_counter()
        if ended - began > SEEN:
            self.trace.add(self.track("waits", segment.name), why, began, ended)

    def delivered(self, waited: float) -> None:
        """A consumer has got a batch, and waited for so many seconds."""
        now = perf_counter()
        self.trace.add(self.track("waits", "consumers"), "waits for a batch", now - waited, now)


def numbers(result: Any) -> str:
    """Numbers of the blocks that came of a job: Items with their calls, or words and whether that was all."""
    made = result[0] if isinstance(result, tuple) and result else result
    words = made if isinstance(made, list) else []  # parts for several outputs have numbers of their own
    return ", ".join([str(word.number) for word in map(item_of, words) if isinstance(word, Item)])


def item_of(made: Any) -> Any:
    """The word of what a Map made, which has its calls beside it; else the word itself."""
    return made[0] if isinstance(made, tuple) and not isinstance(made, Item) else made
