"""Who does what in a run at this moment: read from the threads' own frames, so it costs nothing before."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from time import perf_counter
from types import CoroutineType, FrameType
from typing import Any

from flowload.abc.operators import Block
from flowload.observe.stall import Dump, Held
from flowload.runtime.run import Run
from flowload.runtime.tasks.call import Member, RunCall
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.executor import Job

__all__ = ["dump"]

SHOWN = 3  #: sources that a block names


def dump(run: Run) -> Dump:
    """The run now; may be called from any thread."""
    calls = sorted([*in_threads(run), *in_loop(run)], key=lambda call: -call.seconds)
    tasks = [line for segment in run.compiled.segments for line in states(segment)]
    tasks += [
        f"nobody takes the batches of output {name!r}: {len(channel)} wait"
        for name, channel in run.compiled.outputs.items()
        if len(channel) and not channel.reader_left
    ]
    return Dump(tuple(calls), tuple(tasks))


def in_threads(run: Run) -> Iterator[Held]:
    """Calls that executor threads are at."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to other threads' stacks
    for executor in tuple(run.executors.values()):
        for thread, job in zip(executor.threads, tuple(executor.at_work), strict=False):
            frame = frames.get(thread.ident or 0)
            if job is not None and frame is not None:
                chain = [found for found, _ in traceback.walk_stack(frame)]
                yield held(run, job, chain, thread.name)


def in_loop(run: Run) -> Iterator[Held]:
    """Calls that are coroutines and wait for something."""
    for segment in run.compiled.segments:
        for job in tuple(segment.async_jobs):
            chain = list(coroutine_frames(job.coroutine))[::-1]
            if chain:
                yield held(run, job, chain, "the event loop")


def coroutine_frames(coroutine: Any) -> Iterator[FrameType]:
    """The frames that a suspended coroutine is in, outermost first."""
    while isinstance(coroutine, CoroutineType):
        if coroutine.cr_frame is not None:
            yield coroutine.cr_frame
        coroutine = coroutine.cr_await


def held(run: Run, job: Job, chain: list[FrameType], thread: str) -> Held:
    """A call, as its frames (innermost first) tell of it."""
    place, member = next(
        ((k, found) for k, frame in enumerate(chain) if (found := member_of(frame)) is not None),
        (len(chain), None),
    )
    around = [frame.f_locals for frame in chain[place:]]
    call = next((each["call"] for each in around if isinstance(each.get("call"), RunCall)), None)
    block = next((made for each in around if (made := block_of(each)) is not None), None)
    segment = next(each for each in run.compiled.segments if each.priority == job.priority)
    return Held(
        stage=segment.name if member is None else member.node,
        block=None if call is None else call.number,
        source=described(block),
        thread=thread,
        seconds=perf_counter() - job.timing.began,
        stack=tuple(traceback.format_list(stack_of(chain[:place] or chain))),
    )


def stack_of(chain: list[FrameType]) -> traceback.StackSummary:
    """Frames, innermost first, as a stack, outermost first."""
    return traceback.StackSummary.extract((frame, frame.f_lineno) for frame in reversed(chain))


def member_of(frame: FrameType) -> Member | None:
    """The operator that a frame of the runtime calls."""
    found = frame.f_locals.get("member") or getattr(frame.f_locals.get("self"), "member", None)
    return found if isinstance(found, Member) else None


def block_of(names: dict[str, Any]) -> Block | None:
    """The block that a frame of the runtime works on."""
    found = names.get("block")
    return found if isinstance(found, Block) else getattr(names.get("item"), "block", None)


def described(block: Block | None) -> str:
    """Where a block came from, if it says: its files, or what its rows are rows of."""
    named = getattr(block, "sources", None) or getattr(block, "paths", None) or ()
    names = [str(getattr(source, "path", source)) for source in named]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def states(segment: Segment) -> Iterator[str]:
    """What a task waits for, if it waits."""
    for channel in segment.outputs.values():
        if channel.writer_waits:
            waiting = f"{len(channel)} of {channel.capacity} blocks wait"
            yield f"{segment.name}: no room for {channel.target}: {waiting}"
    for channel in segment.inputs:
        if not len(channel) and not channel.at_end and not segment.running:
            yield f"{segment.name}: no input from {channel.source}"
