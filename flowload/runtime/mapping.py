"""The tasks of neighbouring Maps: one begins calls, one sends on what they made, in order."""

from __future__ import annotations

from functools import partial

from flowload.protocols import Mark
from flowload.runtime.channel import EndOfStream, ReaderGone, Word
from flowload.runtime.maps import Calls, MapChain, is_async
from flowload.runtime.segment import Segment
from flowload.runtime.window import Window

__all__ = ["begin_calls", "send_results"]


async def begin_calls(segment: Segment, window: Window[Word]) -> None:
    """Begin a call for every block that comes; marks keep their place."""
    chain = MapChain(segment.members)
    work = chain.apply_async if is_async(segment.members[0]) else chain.apply
    try:
        while True:
            word = await segment.inputs[0].take()
            if isinstance(word, Mark) or word.block is None:
                await window.begin(word, None)
            else:
                await window.begin(word, partial(work, word))
            del word  # else this task would keep the block alive while it waits for the next
    except EndOfStream:
        window.end()


async def send_results(segment: Segment, window: Window[Word]) -> None:
    """Settle and send on what the calls made, in the order of their input."""
    try:
        while True:
            tag, result = await window.fetch()
            segment.running = window.running
            if result is None:
                await segment.put(tag)
                continue
            made, calls = result
            _settle(calls)
            del tag, result, calls
            await segment.put(made)
            del made
    except EndOfStream:
        segment.end()
    except ReaderGone:
        window.leave()
        raise


def _settle(calls: Calls) -> None:
    for member, call, block in calls:
        if block is not None:
            member.gave(block)
        member.settle(call)
