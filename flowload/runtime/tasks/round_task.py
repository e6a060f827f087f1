"""The task where lanes become one stream: takes a block of each, and sends on what becomes of a round."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Message, NumberedBlock
from flowload.runtime.lanes.catching_up import CatchingUp
from flowload.runtime.lanes.rounds import AGAIN, CUT, Count, Rounds
from flowload.runtime.message import batches_of
from flowload.runtime.threads.monitor import Monitor

from .segment import Segment
from .task import Task

__all__ = ["RoundTask"]

COLUMNS = {Mark.EPOCH: Count.PASSES, Mark.CAUGHT_UP: Count.CAUGHT_UP}  #: where marks are counted


class RoundTask(Task):
    """Takes what there is under the run lock: no thread, no call, no way through the event loop.

    Blocks wait in the queues of their lanes until each has one: what more lay here would be memory.
    """

    def __init__(self, segment: Segment, rounds: Rounds, monitor: Monitor) -> None:
        super().__init__(segment, monitor)
        self._rounds = rounds
        # Not sent yet; and the lane in whose queue it lies until then, if it does.
        self._made: deque[tuple[Message, int | None]] = deque()
        saved = segment.saved or {}
        self._numbers = count(saved.get("number", 0))
        self._epochs = segment.epochs()
        lanes = len(segment.inputs)
        self._counts = np.array(saved.get("counts_of_lanes", np.zeros((lanes, len(Count)))), np.int64)
        self._behind = [CatchingUp(blocks) for blocks in saved.get("behind", [()] * lanes)]
        rounds.ends = list(saved.get("ends", ()))
        self._known = len(rounds.ends)  # passes that were over before: lanes that are behind have them again
        self._passed = {mark: int(self._counts[:, k].min()) for mark, k in COLUMNS.items()}  # by all lanes
        self._lanes = range(lanes)
        self._ready: set[int] = set()  # lanes of which a block of the next round lies in the queue
        self._news: set[int] = set(self._lanes)  # that are to be looked at
        for lane, channel in enumerate(segment.inputs):
            channel.notify_reader = partial(self._told, lane)
        self._gone: set[int] = set()  # lanes whose stream has ended
        rounds.number = saved.get("round", 0)
        if not any(lane.behind for lane in self._behind):
            rounds.note(self._counts)

    def step(self) -> Channel | None:
        """Send what was made, then take on; see `Task.step`."""
        while True:
            while self._made:
                message, lane = self._made[0]
                if (blocked := self.send(message)) is not None:
                    return blocked
                self._made.popleft()
                if lane is not None:
                    self.segment.inputs[lane].take_now()
            ended = set(self._rounds.ended)
            self._look_at_news()
            missing = [lane for lane in self._lanes if lane not in self._ready]
            if not missing and not self._rounds.over:
                self._round()
            elif self._rounds.ended != ended:
                self._look_again()  # what lies there may be in no round
            elif not self._made:
                if len(self._gone) == len(self._lanes):
                    self.end()
                return self.segment.inputs[missing[0] if missing else 0]

    def stop(self) -> None:
        """Drop what waits to be sent."""
        super().stop()
        self._made.clear()

    def _told(self, lane: int) -> None:
        """A lane has something new, or has ended."""
        self._news.add(lane)
        self.schedule()

    def _look_again(self) -> None:
        """Forget which lanes have a block: it was taken, or is in no round, or is not the next."""
        self._ready.clear()
        self._news.update(self._lanes)

    def _look_at_news(self) -> None:
        """Look at the lanes that have something new: there are many, and each batch of one is news."""
        news, self._news = sorted(self._news - self._ready), set()
        for lane in news:
            self._look(lane)

    def _look(self, lane: int) -> None:
        """Take what is no block of a round to come."""
        channel = self.segment.inputs[lane]
        while lane not in self._rounds.ended and (message := channel.next_message) is not None:
            block = isinstance(message, NumberedBlock) and message.block is not None
            if block and not self._behind[lane].behind and not self._rounds.over:
                self._ready.add(lane)
                return
            channel.take_now()
            if isinstance(message, Mark):
                self._counts[lane, Count.TAKEN] += 1
                self._mark(lane, channel, message)
            elif isinstance(message, NumberedBlock) and block:
                self._pass_over(lane, channel, message)
        if channel.at_end and lane not in self._gone:
            self._behind[lane].check(self._name_of(channel))
            self._gone.add(lane)
            self._rounds.ended.add(lane)

    def _round(self) -> None:
        """Every lane has a block: take them; those that go on as they are when they are sent."""
        self._look_again()
        items = [channel.next_message for channel in self.segment.inputs]
        found = [item for item in items if isinstance(item, NumberedBlock)]
        member = self.segment.members[0]
        with member:
            blocks = self._rounds.complete(found)
            made = (
                None if blocks is None else [NumberedBlock.of(next(self._numbers), each) for each in blocks]
            )
        as_they_are = made is not None and same_blocks(made, found)
        if not as_they_are:
            for channel in self.segment.inputs:
                channel.take_now()
        if made is None:
            for lane, item in enumerate(found):
                self._leave_out(lane, item, Count.CUT)
            return
        for item in made:
            member.meter.gave(item.samples, item.nbytes)
        for item in found:
            member.settle(member.call(item.number, item.block, item.samples))
        self._made.extend((item, lane if as_they_are else None) for lane, item in enumerate(made))
        self._counts[:, [Count.TAKEN, Count.BLOCKS]] += self._rounds.took(found[0], self._counts)
        self._counts[:, Count.SAMPLES] += [item.samples for item in found]
        self._counts[:, Count.NBYTES] += [item.nbytes for item in found]
        self._rounds.note(self._counts)

    def _pass_over(self, lane: int, channel: Channel, item: NumberedBlock) -> None:
        """Take a block that is in no round any more: it was in one before, or not every lane has as many."""
        behind = self._behind[lane]
        again = behind.take(batches_of(item)) if behind.behind else 0
        if not 0 < again < batches_of(item):
            self._leave_out(lane, item, Count.AGAIN if again else Count.CUT)
            return
        block: Any = item.block  # several batches of an only lane
        rest = NumberedBlock.of(item.number, block.without(again))
        channel.put_back(rest)
        first = item._replace(samples=item.samples - rest.samples)
        self._leave_out(lane, first, Count.AGAIN, again)

    def _leave_out(self, lane: int, item: NumberedBlock, why: Count, blocks: int | None = None) -> None:
        """Account for what is in no round any more."""
        blocks = batches_of(item) if blocks is None else blocks
        member = self.segment.members[0]
        call = member.call(item.number, item.block, item.samples)
        if why is Count.AGAIN:
            member.meter.dropped[AGAIN] += item.samples  # no call's drop: ranks do not differ for it
        else:
            call.drop(item.samples, CUT)
        member.settle(call)
        self._counts[lane, [Count.TAKEN, Count.BLOCKS]] += blocks
        self._counts[lane, [Count.SAMPLES, why]] += item.samples

    def _mark(self, lane: int, channel: Channel, mark: Mark) -> None:
        """A mark goes on when all lanes have passed it; where passes are kept apart, lanes wait for it."""
        apart = mark is Mark.EPOCH and self._epochs.align
        if apart and self._behind[lane].behind:  # the others are further
            self._behind[lane].passed(self._name_of(channel))
        elif apart:
            self._rounds.ended.add(lane)
        marks = self._counts[:, COLUMNS[mark]]
        marks[lane] += 1
        while self._passed[mark] < marks.min():
            self._passed[mark] += 1
            if apart and self._passed[mark] > self._known:
                self._rounds.ended = set(self._gone)
                self._look_again()
                self._rounds.ends.append(self._rounds.number)
            self._epochs.passed(mark)
            self._made.append((mark, None))

    @staticmethod
    def _name_of(channel: Channel) -> str:
        """What a lane is called in messages."""
        return f"a lane of {channel.source!r}"


def same_blocks(made: Sequence[NumberedBlock], found: Sequence[NumberedBlock]) -> bool:
    """Whether what was made of a round are the blocks of its lanes themselves."""
    return len(made) == len(found) and all(a.block is b.block for a, b in zip(made, found, strict=True))
