"""The task where lanes become one stream: takes a block of each, and sends on what becomes of a round."""

from __future__ import annotations

from collections import deque
from itertools import count

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Message, NumberedBlock
from flowload.runtime.lanes.rounds import CUT, Rounds
from flowload.runtime.threads.monitor import Monitor

from .segment import Segment
from .task import Task

__all__ = ["RoundTask"]


class RoundTask(Task):
    """Takes what there is under the run lock: no thread, no call, no way through the event loop.

    Blocks wait in the queues of their lanes until each has one: what more lay here would be memory.
    """

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
            ended = set(self._rounds.ended)
            missing = [self._look(lane) for lane in range(len(self.segment.inputs))]
            first = next((channel for channel in missing if channel is not None), None)
            if first is None and not self._rounds.over:
                self._round()
            elif (
                not self._made and self._rounds.ended == ended
            ):  # else lanes that were looked at before have more
                if len(self._gone) == len(missing):
                    self.end()
                return first or self.segment.inputs[0]

    def stop(self) -> None:
        """Drop what waits to be sent."""
        super().stop()
        self._made.clear()

    def _look(self, lane: int) -> Channel | None:
        """Take what is no block of a round to come; the queue of the lane if no such block is in it."""
        channel = self.segment.inputs[lane]
        while lane not in self._rounds.ended and (message := channel.next_message) is not None:
            if isinstance(message, NumberedBlock) and message.block is not None and not self._rounds.over:
                return None
            channel.take_now()
            if isinstance(message, Mark):
                self._mark(lane, message)
            elif isinstance(message, NumberedBlock) and message.block is not None:
                self._cut(message)
        if channel.at_end and lane not in self._gone:
            self._gone.add(lane)
            self._rounds.ended.add(lane)
        return channel

    def _round(self) -> None:
        """Every lane has a block: take them."""
        items = [message for channel in self.segment.inputs if (message := channel.take_now()) is not None]
        found = [item for item in items if isinstance(item, NumberedBlock)]
        member = self.segment.members[0]
        with member:
            blocks = self._rounds.complete(found)
            made = (
                None if blocks is None else [NumberedBlock.of(next(self._numbers), each) for each in blocks]
            )
        if made is None:
            for item in found:
                self._cut(item)
            return
        for item in made:
            member.meter.gave(item.samples, item.nbytes)
        for item in found:
            member.settle(member.call(item.number, item.block, item.samples))
        self._made.extend(made)

    def _cut(self, item: NumberedBlock) -> None:
        """Account for a block that is in no round."""
        member = self.segment.members[0]
        call = member.call(item.number, item.block, item.samples)
        call.drop(item.samples, CUT)
        member.settle(call)

    def _mark(self, lane: int, mark: Mark) -> None:
        """A mark goes on when all lanes have passed it; where passes are kept apart, lanes wait for it."""
        apart = mark is Mark.EPOCH and self._epochs.align
        if apart:
            self._rounds.ended.add(lane)
        self._marks[mark][lane] += 1
        while self._passed[mark] < min(self._marks[mark]):
            self._passed[mark] += 1
            if apart:
                self._rounds.ended = set(self._gone)
            self._epochs.passed(mark)
            self._made.append(mark)
