"""The task of neighbouring Folds: words in, words out, one hop at a time."""

from __future__ import annotations

from functools import partial

from flowload.runtime.channel import EndOfStream, Word
from flowload.runtime.folds import FoldChain
from flowload.runtime.lanes import Lane
from flowload.runtime.segment import Segment

__all__ = ["run_folds"]

#: How much one hop takes in and makes: enough to pay for the hop, little enough to bound memory.
TAKE, WORDS, SECONDS = 4, 4, 0.005


async def run_folds(segment: Segment, lane: Lane) -> None:
    """Push every word through the folds; at the end, flush them."""
    task = FoldTask(segment, lane)
    try:
        while True:
            await task.step()
    except EndOfStream:
        task.chain.finish()
        await task.send()
        segment.end()


class FoldTask:
    """Folds are serial: one hop at a time."""

    def __init__(self, segment: Segment, lane: Lane) -> None:
        self.segment = segment
        self.lane = lane
        self.chain = FoldChain(segment.members)

    async def step(self) -> None:
        """Take what waits, or let an idle fold give something, or wait for input."""
        words = self._waiting()
        if not words and self.chain.idles:
            self.chain.rest()
            if await self.send():
                return
        self.chain.feed(words or [await self.segment.take(), *self._waiting(TAKE - 1)])
        del words
        await self.send()

    async def send(self) -> int:
        """Make and send all words that come of what was fed; how many."""
        sent, ended = 0, False
        self.segment.going = self.chain.out
        while not ended:
            self.segment.running = 1
            made, ended = await self.lane.run(
                partial(self.chain.advance, WORDS, SECONDS), rank=self.segment.rank
            )
            self.segment.running = 0
            sent += len(made)
            made.reverse()
            while made:  # popped one by one: a block that was sent is not kept alive here
                await self.segment.put(made.pop())
        return sent

    def _waiting(self, most: int = TAKE) -> list[Word]:
        words: list[Word] = []
        while len(words) < most and (word := self.segment.inputs[0].take_now()) is not None:
            words.append(word)
        return words
