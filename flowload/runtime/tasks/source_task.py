"""The task of a Source: one pass after the other."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, nullcontext
from functools import partial
from itertools import count
from time import perf_counter
from types import CoroutineType
from typing import Any

from flowload.abc.operators import Block, Mark, Source
from flowload.abc.powers import Fingerprinted
from flowload.errors import NoDataError
from flowload.runtime.channel import Cut, Message, NumberedBlock
from flowload.runtime.threads.executor import Executor

from .call import Failing, Member, RunCall
from .segment import Segment

__all__ = ["run_source"]

#: Messages that one job makes at most, and seconds after which it stops: enough to pay for the way to a
#: thread (about 100 us), little enough that a run which is left ends soon.
MESSAGES, SECONDS = 8, 0.005


async def run_source(segment: Segment, executor: Executor, epochs: int | None) -> None:
    """Write every pass of the source, each closed by a mark."""
    task = SourceTask(segment, executor)
    if task.member.verify is not None:
        await executor.run(task.verify)
    if task.over:
        segment.end()
        return
    for epoch in count(task.pass_) if epochs is None else range(task.pass_, segment.first_epoch + epochs):
        task.begin(epoch)
        await task.epoch(epoch)
        if epochs is None and task.number == task.began:
            with task.member:
                raise NoDataError(
                    "a whole pass gave nothing", where=task.member.node, wanted="data to repeat"
                )
        task.pass_, task.inside = epoch + 1, False
        task.sent += 1
        await segment.put_all(Mark.EPOCH)
    await task.last_cut()
    segment.end()


def begun(stream: object) -> Iterator[Block | Mark] | AsyncIterator[Block | Mark]:
    """What `epoch` gave, as an iterator: a list would begin anew at every hop. Raises TypeError."""
    if isinstance(stream, Iterable):
        return iter(stream)
    if isinstance(stream, AsyncIterable):
        return aiter(stream)
    if isinstance(stream, CoroutineType):
        stream.close()
    kind = type(stream).__name__
    raise TypeError(f"epoch() gave a {kind}; wanted an iterator of blocks, such as a generator")


class SourceTask:
    """Numbers the blocks over all passes; in each anew where passes are kept apart."""

    def __init__(self, segment: Segment, executor: Executor) -> None:
        self.segment = segment
        self.executor = executor
        self.member: Member = segment.members[0]
        assert isinstance(self.member.operator, Source)  # noqa: S101 - the plan made this task for it
        self.source = self.member.operator
        saved = segment.saved or {}
        self.over = saved.get("ended", False)  #: an earlier run had it to its end
        self.number = saved.get("number", 0)
        self.pass_ = saved.get("pass", segment.first_epoch)  #: under way, or the next
        self.inside = saved.get("inside", False)  #: it is under way
        self.began = saved.get("began", 0)  #: `number` at its beginning
        self.sent = segment.outputs["out"].sent if "out" in segment.outputs else 0  # messages made

    def begin(self, epoch: int) -> None:
        """A pass begins, or goes on where an earlier run was left in the midst of it."""
        if not self.inside:
            if self.segment.align:
                self.number = 0
            self.pass_, self.inside, self.began = epoch, True, self.number

    def cuts(self, call: RunCall) -> tuple[Cut, ...]:
        """The cut that is due now, if one is, its own part being saved."""
        saver = self.segment.saver
        if saver is None or (label := saver.due()) is None:
            return ()
        self._enter(call)
        return (Cut(label),) if saver.save(label, *self._saved()) else ()

    async def last_cut(self) -> None:
        """A cut behind all that it gave."""
        saver = self.segment.saver
        if saver is not None and (label := saver.last()) is not None and saver.save(label, *self._saved()):
            await self.segment.put(Cut(label))

    def _saved(self) -> tuple[dict[str, int], dict[str, Any]]:
        value = {"number": self.number, "pass": self.pass_, "inside": self.inside, "began": self.began}
        return {"out": self.sent}, value

    def verify(self) -> None:
        """Compare the data with those of a state, in a thread. Raises DataError."""
        operator = self.member.operator
        if self.member.verify is not None and isinstance(operator, Fingerprinted):
            with self.member:
                operator.look(self.member.call(0))
                self.member.verify(operator.fingerprint() or {})

    async def epoch(self, epoch: int) -> None:
        """Write the blocks and marks of one pass to the output, as fast as there is room."""
        call = self.member.call(epoch)
        with self.member:
            stream = begun(self.source.epoch(epoch, call))
        if isinstance(stream, AsyncIterator):
            await self._write_async(stream, call)
        else:
            await self._write(stream, call)

    async def _write(self, stream: Iterator[Block | Mark], call: RunCall) -> None:
        self.segment.going = stream
        ended = False
        while not ended:
            self.segment.running = 1
            messages, ended = await self.executor.run(partial(self._pull, stream, call))
            self.segment.running = 0
            for message in messages:
                await self.segment.put(message)

    async def _write_async(self, stream: AsyncIterator[Block | Mark], call: RunCall) -> None:
        guard: Any = aclosing(stream) if hasattr(stream, "aclose") else nullcontext()
        began = perf_counter()
        with self.member, Failing(call):
            async with guard:
                await self._cut_now(call)
                async for made in stream:
                    call.seconds = perf_counter() - began
                    message = self._count(made, call)
                    self._settle(call)
                    await self.segment.put(message)
                    await self._cut_now(call)
                    began = perf_counter()
        self._settle(call)

    async def _cut_now(self, call: RunCall) -> None:
        for cut in self.cuts(call):
            await self.segment.put(cut)

    def _pull(self, stream: Iterator[Block | Mark], call: RunCall) -> tuple[list[Message], bool]:
        """Some of what comes next, counted; and whether that was the last. In a thread."""
        began = perf_counter()
        messages: list[Message] = []
        ended = True
        messages += self.cuts(call)
        with self.member, Failing(call):
            for made in stream:
                messages.append(self._count(made, call))
                if cuts := self.cuts(call):
                    messages += cuts
                if len(messages) >= MESSAGES or perf_counter() - began > SECONDS:
                    ended = False
                    break
        call.seconds = perf_counter() - began
        self._settle(call)
        return messages, ended

    def _count(self, made: Block | Mark, call: RunCall) -> Message:
        """Number a block and account for it, behind what was dropped before it."""
        self._enter(call)
        self.sent += 1
        if isinstance(made, Mark):
            return made
        item = NumberedBlock.of(self.number, made)
        meter = self.member.meter
        meter.in_ += item.samples
        meter.taken += item.samples
        meter.gave(item.samples, item.nbytes)
        self.number += 1
        return item

    def _settle(self, call: RunCall) -> None:
        """Account for one job."""
        self._enter(call)
        self.member.settle(call, blocks=0)

    def _enter(self, call: RunCall) -> None:
        """Account for what a source dropped: it counts as its input first."""
        call.found = None
        if not call.drops and not call.rejects:
            return
        call.samples = sum(count for _, count in call.drops) + sum(count for _, count in call.rejects)
        self.member.enter(call)
        call.samples = 0
        call.drops.clear()
        call.rejects.clear()
