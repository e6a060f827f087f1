"""Neighbouring Maps as one object: a block goes through all of them in one job."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import iscoroutinefunction
from time import perf_counter, thread_time

from flowload.abc.operators import Map
from flowload.errors import DataError
from flowload.runtime.channel import NumberedBlock, weigh
from flowload.runtime.tasks.call import Member, RunCall

__all__ = ["Calls", "MapChain", "is_async"]

#: Calls of one hop with their members and what they made (samples, bytes), to be settled in stream order.
Calls = list[tuple[Member, RunCall, tuple[int, int] | None]]


class MapChain:
    """Calls the Maps one after the other on a block. Has no state: several threads may use it at once."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._steps = [(member, member.operator) for member in members if isinstance(member.operator, Map)]
        self._waits = any(map(is_async, members))
        self._several = len(self._steps) > 1 and not self._waits  # of one, the job says what CPU it took

    def apply(self, item: NumberedBlock, epoch: int = 0) -> tuple[NumberedBlock, Calls]:
        """Take one block of a pass through Maps that are plain functions, in a thread."""
        # A coroutine that never waits ends at its first step; to drive it costs 0.3 us, where the way to a
        # thread costs 100.
        try:
            self.apply_async(item, epoch).send(None)
        except StopIteration as done:
            made: tuple[NumberedBlock, Calls] = done.value
            return made
        raise AssertionError("a Map whose apply is a plain function has waited")

    async def apply_async(self, item: NumberedBlock, epoch: int = 0) -> tuple[NumberedBlock, Calls]:
        """Take one block of a pass through Maps that are coroutine functions, in the event loop."""
        calls: Calls = []
        number, block, nbytes, samples, trail = item
        for member, operator in self._steps:
            if block is None:
                break
            call = member.call(number, block, samples, epoch=epoch)
            asks = self._several and member.meter.asks
            began, cpu = perf_counter(), thread_time() if asks else 0.0
            try:
                with member:
                    made = operator.apply(block, call)
                    block = await made if self._waits else made  # type: ignore[misc, assignment]  # see is_async
                    samples, nbytes = weigh(block)
            except DataError as error:
                call.reject_all(error)
                block, samples, nbytes = None, 0, 0
            except Exception as error:
                call.failed(error)
                raise
            if asks:
                call.cpu = thread_time() - cpu
            call.seconds = perf_counter() - began
            calls.append((member, call, None if block is None else (samples, nbytes)))
        return NumberedBlock(number, block, nbytes, samples, trail), calls


def is_async(member: Member) -> bool:
    """The operator is a Map whose `apply` is a coroutine function."""
    return iscoroutinefunction(getattr(member.operator, "apply", None))
