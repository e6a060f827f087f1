"""Neighbouring Maps at work: calls begin as soon as a block comes, and what they made is sent on in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from flowload.runtime.channel import Channel, Item, Word
from flowload.runtime.lanes import Job
from flowload.runtime.maps import Calls, MapChain, is_async
from flowload.runtime.mover import Mover
from flowload.runtime.segment import Segment
from flowload.runtime.stillness import Stillness

__all__ = ["AHEAD", "MapTask"]

AHEAD = 1  #: calls that may be begun beyond those that run: a lane finds its next one at once


class MapTask(Mover):
    """A window of calls: at most `workers` run, `AHEAD` more are begun or wait to be sent on.

    Args:
        start: sets a call going; whoever does it calls `Job.finish` inside `with moves:`.
    """

    def __init__(self, segment: Segment, still: Stillness, start: Callable[[Job], object]) -> None:
        super().__init__(segment, still)
        chain = MapChain(segment.members)
        self._work = chain.apply_async if is_async(segment.members[0]) else chain.apply
        self._start = start
        self._room = segment.workers + AHEAD
        self._entries: deque[Job | Word] = deque()  # in the order of the input; words that need no call, too
        self._queue: deque[Job] = deque()  # begun, but not set going

    def move(self) -> Channel | None:
        """Send on what is done, and begin what there is room for."""
        source = self.segment.inputs[0]
        while True:
            blocked = self._send()
            if not self._begin(source):
                break
        if self._entries:
            return blocked
        if source.at_end:
            self.end()
        return source

    def stop(self) -> None:
        """Let go of what waits; what is set going is not waited for."""
        super().stop()
        self._entries.clear()
        self._queue.clear()

    def _send(self) -> Channel | None:
        """Settle and send on what the oldest calls made; the channel that has no room for more."""
        while self._entries:
            entry = self._entries[0]
            if isinstance(entry, Job):
                if not entry.done:
                    return None
                entry, calls = entry.outcome()
                _settle(calls)
                self._entries[0] = entry
            if (blocked := self.send(entry)) is not None:
                return blocked
            self._entries.popleft()
        return None

    def _begin(self, source: Channel) -> bool:
        """Begin a call for every block that waits, as far as there is room; marks keep their place."""
        begun = False
        while len(self._entries) < self._room and (word := source.take_now()) is not None:
            begun = True
            if isinstance(word, Item) and word.block is not None:
                job = Job(partial(self._work, word), self._done)
                self._entries.append(job)
                self._queue.append(job)
                self._set_going()
            else:
                self._entries.append(word)
        return begun

    def _set_going(self) -> None:
        while self._queue and self.segment.running < self.segment.workers:
            self.segment.running += 1
            self._start(self._queue.popleft())

    def _done(self) -> None:
        self.segment.running -= 1
        self._set_going()
        self.tell()


def _settle(calls: Calls) -> None:
    for member, call, made in calls:
        if made is not None:
            member.meter.gave(*made)
        member.settle(call)
