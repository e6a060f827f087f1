"""The task of a Source: one pass after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, nullcontext
from functools import partial
from itertools import count, islice
from time import perf_counter
from typing import Any

from flowload.errors import NoDataError
from flowload.protocols import Block, Mark, Source
from flowload.runtime.call import Member, RunCall
from flowload.runtime.channel import Item
from flowload.runtime.lanes import Lane
from flowload.runtime.segment import Segment

__all__ = ["run_source"]

#: How much one hop makes: enough to pay for the hop, little enough to stop within.
WORDS, SECONDS = 8, 0.005


async def run_source(segment: Segment, lane: Lane, epochs: int | None) -> None:
    """Write every pass of the source, each closed by a mark."""
    task = SourceTask(segment, lane)
    for epoch in count() if epochs is None else range(epochs):
        before = task.number
        await task.epoch(epoch)
        if epochs is None and task.number == before:
            with task.member:
                raise NoDataError(
                    "a whole pass gave nothing", where=task.member.node, wanted="data to repeat"
                )
        await segment.put_all(Mark.EPOCH)
    segment.end()


class SourceTask:
    """Numbers the blocks over all passes."""

    def __init__(self, segment: Segment, lane: Lane) -> None:
        self.segment = segment
        self.lane = lane
        self.member: Member = segment.members[0]
        self.number = 0

    async def epoch(self, epoch: int) -> None:
        """Write one pass."""
        source = self.member.operator
        assert isinstance(source, Source)  # noqa: S101 - the plan made this task for it
        call = self.member.call(epoch, None)
        with self.member:
            stream = source.epoch(epoch, call)
            if isinstance(stream, AsyncIterator):
                await self._write_async(stream, call)
            else:
                await self._write(stream, call)
        call.samples = 0
        self.member.settle(call, blocks=0)

    async def _write(self, stream: Iterator[Block | Mark], call: RunCall) -> None:
        self.segment.going = stream
        ended = False
        while not ended:
            self.segment.running = 1
            words, ended = await self.lane.run(partial(_pull, stream, call))
            self.segment.running = 0
            for word in words:
                await self._put(word)

    async def _write_async(self, stream: AsyncIterator[Block | Mark], call: RunCall) -> None:
        guard: Any = aclosing(stream) if hasattr(stream, "aclose") else nullcontext()
        began = perf_counter()
        async with guard:
            async for word in stream:
                call.seconds += perf_counter() - began
                await self._put(word)
                began = perf_counter()

    async def _put(self, word: Block | Mark) -> None:
        if isinstance(word, Mark):
            await self.segment.put_all(word)
            return
        self.member.meter.in_ += len(word)
        self.member.gave(word)
        await self.segment.put(Item.of(self.number, word))
        self.number += 1


def _pull(stream: Iterator[Block | Mark], call: RunCall) -> tuple[list[Block | Mark], bool]:
    began = perf_counter()
    words: list[Block | Mark] = []
    ended = True
    for word in islice(stream, WORDS):
        words.append(word)
        if perf_counter() - began > SECONDS:
            ended = False
            break
    else:
        ended = len(words) < WORDS
    call.seconds += perf_counter() - began
    return words, ended
