"""The task where lanes become one stream: takes a block of each in turn, and sends on what makes a round."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import count

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Message, NumberedBlock
from flowload.runtime.lanes.rounds import CUT, Rounds
from flowload.runtime.threads.monitor import Monitor

from .segment import Segment
from .task import Task

__all__ = ["RoundTask"]


class RoundTask(Task):
    """Takes what there is under the run lock: no thread, no call, no way through the event loop."""

    def __init__(self, segment: Segment, rounds: Rounds, monitor: Monitor) -> None:
        super().__init__(segment, monitor)
        self._rounds = rounds
        self._made: deque[Message] = deque()  # not sent yet
        self._numbers = count()
        self._epochs = segment.epochs()
        self._marks = {mark: [0] * len(segment.inputs) for mark in Mark}  # that each lane has passed
        self._passed = dict.fromkeys(Mark, 0)  # that all have passed
        self._gone: set[int] = set()  # lanes whose stream has ended

    def step(self) -> Channel | None:
        """Send what was made, then take on; see `Task.step`."""
        while True:
            while self._made:
                if (blocked := self.send(self._made[0])) is not None:
                    return blocked
                self._made.popleft()
            taken, starved = self._take()
            if not taken:
                if len(self._gone) == len(self.segment.inputs):
                    self.end()
                return starved

    def stop(self) -> None:
        """Drop what waits to be sent."""
        super().stop()
        self._made.clear()

    def _take(self) -> tuple[bool, Channel]:
        """Take what each lane has; whether anything came, and the first lane that has nothing."""
        taken, starved = False, None
        for lane, channel in enumerate(self.segment.inputs):
            while lane not in self._gone and self._rounds.wants(lane):
                message = channel.take_now()
                if message is not None:
                    self._made.extend(self._pass_on(lane, message))
                elif channel.at_end:
                    self._gone.add(lane)
                    self._rounds.end(lane)
                else:
                    starved = starved or channel
                    break
                taken = True
        self._settle()
        return taken, starved or self.segment.inputs[0]

    def _pass_on(self, lane: int, message: Message) -> Iterator[Message]:
        """What goes on with a lane's message."""
        member = self.segment.members[0]
        if isinstance(message, Mark):
            yield from self._mark(lane, message)
        elif isinstance(message, NumberedBlock) and message.block is not None:
            call = member.call(message.number, message.block, message.samples)
            with member:
                made = [
                    NumberedBlock.of(next(self._numbers), each) for each in self._rounds.put(lane, message)
                ]
            for item in made:
                member.meter.gave(item.samples, item.nbytes)
            member.settle(call)
            yield from made

    def _mark(self, lane: int, mark: Mark) -> Iterator[Mark]:
        """A mark goes on when all lanes have passed it; where passes are kept apart, lanes wait for it."""
        apart = mark is Mark.EPOCH and self._epochs.align
        if apart:
            self._rounds.end(lane)
        self._marks[mark][lane] += 1
        while self._passed[mark] < min(self._marks[mark]):
            self._passed[mark] += 1
            if apart:
                self._rounds.again()
                self._rounds.ended.update(self._gone)
            self._epochs.passed(mark)
            yield mark

    def _settle(self) -> None:
        """Account for what no round will have."""
        member = self.segment.members[0]
        if self._rounds.cut:
            call = member.call(0)
            call.drop(self._rounds.cut, CUT)
            self._rounds.cut = 0
            member.enter(call)
        member.meter.held = self._rounds.held
