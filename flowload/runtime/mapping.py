"""Neighbouring Maps at work: calls begin as soon as a block comes, and what they made is sent on in order."""

from __future__ import annotations

from functools import partial
from time import perf_counter

from flowload.protocols import Mark
from flowload.runtime.channel import EndOfStream, Word
from flowload.runtime.maps import Calls, MapChain, is_async
from flowload.runtime.segment import Segment
from flowload.runtime.window import Window

__all__ = ["MapTask"]


class MapTask:
    """The task sends on; calls are begun by whoever brings a block or makes room, without a task's hop."""

    def __init__(self, segment: Segment, window: Window[Word]) -> None:
        chain = MapChain(segment.members)
        self.segment = segment
        self.window = window
        self.work = chain.apply_async if is_async(segment.members[0]) else chain.apply
        self.idle_since = perf_counter()
        window.made_room = segment.inputs[0].told = self.begin

    def begin(self) -> None:
        """Begin a call for every block that waits, as far as there is room; marks keep their place."""
        source = self.segment.inputs[0]
        while self.window.has_room and (word := source.take_now()) is not None:
            if isinstance(word, Mark) or word.block is None:
                self.window.begin(word, None)
            else:
                if not self.window.running:
                    self.segment.starved += perf_counter() - self.idle_since
                self.window.begin(word, partial(self.work, word))
        if source.at_end:
            self.window.end()

    async def run(self) -> None:
        """Settle and send on what the calls made, in the order of their input."""
        self.begin()
        try:
            while True:
                await self.step()
        except EndOfStream:
            self.segment.end()
        finally:
            self.window.leave()  # nobody fetches any more: let go of what was made, and of each other
            self.window.made_room = self.segment.inputs[0].told = None

    async def step(self) -> None:
        """Send on what came of the oldest call."""
        tag, result = await self.window.fetch()
        self.segment.running = self.window.running
        self.idle_since = perf_counter()
        if result is None:
            await self.segment.put(tag)
            return
        made, calls = result
        _settle(calls)
        del tag, result, calls  # what they hold is not kept alive while there is no room for the result
        await self.segment.put(made)


def _settle(calls: Calls) -> None:
    for member, call, made in calls:
        if made is not None:
            member.meter.gave(*made)
        member.settle(call)
