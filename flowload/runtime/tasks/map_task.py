"""Task of neighbouring Maps: calls begin when a block comes, run in parallel, and are sent on in order."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from flowload.abc.operators import Mark
from flowload.abc.powers import Completing, Paced
from flowload.runtime.channel import Channel, Cut, Message, NumberedBlock
from flowload.runtime.state.meters import counts_of
from flowload.runtime.tasks.chains.map_chain import Calls, MapChain, is_async
from flowload.runtime.threads.executor import Job
from flowload.runtime.threads.monitor import Monitor

from .call_batching import CallBatching
from .pacing import Pacing
from .segment import Segment
from .task import Task

__all__ = ["AHEAD", "MapTask"]

AHEAD = 1  #: jobs beyond `workers`: while the oldest is slow, the others finish and need not wait for it


class MapTask(Task):
    """A window of jobs: at most `workers` run, `AHEAD` more are begun or wait to be sent on.

    A job is one call, or several where calls are short: see `CallBatching`. Where the first map is paced, its
    own bound is the only one: so many are begun or wait, and no fewer.

    Args:
        start: submits a job; whoever runs it calls `Job.finish` while holding the run lock.
        behind: for a map that is paced: the run's outputs, and the segments between.
    """

    def __init__(
        self,
        segment: Segment,
        monitor: Monitor,
        start: Callable[[Job], object],
        behind: tuple[Iterable[Channel], Sequence[Segment]] = ((), ()),
    ) -> None:
        super().__init__(segment, monitor)
        first = segment.members[0].operator
        self._pacing: Pacing | None = None
        if isinstance(first, Paced):
            self._pacing = Pacing(first, segment, *behind, monitor.run_lock, self.schedule)
            monitor.checks.append(self._check)
            monitor.deadlock_breakers.append(self._pacing.relieve_where_all_stands_still)
        # Asked once: a look at a protocol takes 3 to 8 us, and a small pass ends every few batches.
        self._completing = [
            (member, member.operator) for member in segment.members if isinstance(member.operator, Completing)
        ]
        chain = MapChain(segment.members)
        self._apply = chain.apply
        self._apply_async = chain.apply_async if is_async(segment.members[0]) else None
        self._call_batching = CallBatching()
        self._epochs = segment.epochs()
        self._passes = segment.epochs()  # of what was sent
        self._start = start
        ahead = AHEAD if segment.ahead else 0  # other lanes have more to do meanwhile
        self._room = segment.workers + ahead if self._pacing is None else sys.maxsize
        self._entries: deque[Job | Message] = deque()  # in input order; also messages that need no call
        self._queue: deque[Job] = deque()  # not submitted yet: `workers` jobs run

    def step(self) -> Channel | None:
        """Send on what is done, begin what there is room for; see `Task.step`."""
        source = self.segment.inputs[0]
        while True:
            blocked = self._send()
            full = self.no_room() if not self._entries else None
            if full is not None or not self._begin(source):
                break
        if self._pacing is not None:
            self._pacing.sends = bool(self._entries)
            self.held_back = self._pacing.held and not self._entries
        if self._entries:
            return blocked
        if full is not None:
            return full
        if source.at_end:
            self._complete()
            self.end()
        return source

    def stop(self) -> None:
        """Drop what waits; jobs that run are not waited for."""
        super().stop()
        self._entries.clear()
        self._queue.clear()

    def _check(self) -> None:
        """Go on where something came back, or the reader waits in vain; here, for the loop may be busy."""
        assert self._pacing is not None  # noqa: S101 - made with it
        if self._pacing.came_back():
            self.schedule()
        self._pacing.relieve()

    def _next(self, source: Channel) -> Message | None:
        """The next message, if there is one, and room for what becomes of it."""
        if self._pacing is None:
            return source.take_now()
        if self._pacing.holds_back():
            return None
        message = source.take_now()
        if isinstance(message, NumberedBlock) and message.block is not None:
            self._pacing.began(message.block)
        return message

    def _send(self) -> Channel | None:
        """Settle and send the results of the oldest jobs; returns the channel that has no room for more."""
        while self._entries:
            entry = self._entries[0]
            if isinstance(entry, Job):
                if not entry.done:
                    return None
                self._entries.popleft()
                self._unpack(entry)
            else:
                if entry is Mark.EPOCH:  # called again if there is no room now: harmless
                    self._complete()
                if (blocked := self.send(entry)) is not None:
                    return blocked
                self._entries.popleft()
                self._sent(entry)
        return None

    def _complete(self) -> None:
        """Tell the operators that all calls of a pass, or of the stream, are over."""
        for member, operator in self._completing:
            with member:
                operator.complete()

    def _unpack(self, job: Job) -> None:
        """Put the messages that a job made in its place among the entries."""
        messages = []
        for message, calls in job.outcome():
            number, block, nbytes, samples, trail = message
            if trail:  # before it is accounted for
                trail = (*trail, self._stand())
            self._call_batching.note(_settle(calls), nbytes)
            messages.append(NumberedBlock(number, block, nbytes, samples, trail))
        self._entries.extendleft(reversed(messages))

    def _stand(self) -> dict[str, Any]:
        """Where it stands before a block on its way to an output."""
        return {"counts": counts_of(self.segment.members)}

    def _sent(self, message: Message) -> None:
        """Save its part where a cut has passed: nothing behind it is accounted for yet."""
        saver = self.segment.saver
        if isinstance(message, Cut) and saver is not None:
            saver.save(message.label, self.segment.sent(), {"epoch": self._passes.number})
        else:
            self._passes.passed(message)

    def _begin(self, source: Channel) -> bool:
        """Begin calls for the blocks that wait, while there is room. Returns whether any began."""
        begun = False
        while len(self._entries) < self._room and (message := self._next(source)) is not None:
            begun = True
            if isinstance(message, NumberedBlock) and message.block is not None:
                items = self._with_neighbours(message, source)
                work = partial(
                    self._call_async if self._apply_async else self._call, items, self._epochs.number
                )
                job = Job(work, self._done)
                self._entries.append(job)
                self._queue.append(job)
                self._set_going()
            else:
                self._entries.append(message)
                self._epochs.passed(message)
        return begun

    def _with_neighbours(self, first: NumberedBlock, source: Channel) -> list[NumberedBlock]:
        """The blocks of one job: this one and, where calls are short, those behind it."""
        items = [first]
        most = 1 if self._apply_async else self._call_batching.most(source, self.segment.workers)
        while len(items) < most and (message := self._next(source)) is not None:
            if not isinstance(message, NumberedBlock) or message.block is None:
                source.put_back(message)  # it keeps its place behind them
                break
            items.append(message)
        return items

    def _call(self, items: list[NumberedBlock], epoch: int) -> list[tuple[NumberedBlock, Calls]]:
        items.reverse()
        return [
            self._apply(items.pop(), epoch) for _ in range(len(items))
        ]  # one that is done with is not kept alive

    async def _call_async(self, items: list[NumberedBlock], epoch: int) -> list[tuple[NumberedBlock, Calls]]:
        assert self._apply_async is not None  # noqa: S101 - asked before
        return [await self._apply_async(items.pop(), epoch)]

    def _set_going(self) -> None:
        while (
            self._queue
            and self.segment.running < self.segment.workers
            and self.segment.limit.take(self._set_going)
        ):
            self.segment.running += 1
            self._start(self._queue.popleft())

    def _done(self) -> None:
        self.segment.running -= 1
        self.segment.limit.give()
        self._set_going()
        self.schedule()


def _settle(calls: Calls) -> float:
    """Account for the calls of one block; returns the seconds that they took."""
    seconds = 0.0
    for member, call, made in calls:
        if made is not None:
            member.meter.gave(*made)
        member.settle(call)
        seconds += call.seconds
    return seconds
