"""A segment: the part of a graph that one task runs, with its ends."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from time import perf_counter
from types import GeneratorType
from typing import Any, ClassVar

from flowload.abc.operators import Map, Mark, Route
from flowload.runtime.channel import Channel, Cut, Message, NumberedBlock, ReaderGone
from flowload.runtime.growing.idle_log import IdleLog
from flowload.runtime.lanes.call_limit import CallLimit
from flowload.runtime.message import Label
from flowload.runtime.state.saver import Saver
from flowload.runtime.threads.executor import Job

from .call import Member
from .epochs import Epochs

__all__ = ["Segment"]


@dataclass(kw_only=True)
class Segment:
    """Neighbouring operators that share a task, the channels before and behind them, and where time went."""

    long_wait: ClassVar[float] = 5e-4  #: seconds: a shorter wait is not traced, it is the way through a queue

    members: list[Member]
    workers: int = 1
    limit: CallLimit = field(
        default_factory=lambda: CallLimit(sys.maxsize)
    )  #: of calls, its own and other lanes'
    lane: int | None = None  #: that it works for; None: there are none, or it works for all
    ahead: bool = True  #: it makes blocks for which there is no room yet: not one of several lanes
    deals: bool = False  #: lanes begin here
    priority: int = 0  #: place in the flow, unique: later segments are run first
    first_epoch: int = 0  #: number of the run's first pass
    align: bool = False  #: passes are kept apart
    inputs: list[Channel] = field(default_factory=list)
    outputs: dict[str, Channel] = field(default_factory=dict)  #: by port
    given: Counter[str] = field(default_factory=Counter)  #: samples of a Route's parts, by port
    starved: float = 0.0  #: seconds without input while nothing ran
    blocked: float = 0.0  #: seconds without room for output
    takes_since: float | None = None  #: it waits for input since then
    puts_since: float | None = None  #: it waits for room since then
    running: int = 0  #: calls that run now
    going: Any = None  #: the generator that makes its messages; closed at the end
    waited: Callable[[str, float, float], None] | None = None  #: called on long waits: why, from, to (s)
    saver: Saver | None = (
        None  #: saves its part of the run's state; None: there is nothing that it could save
    )
    saved: Mapping[str, Any] | None = None  #: what it saved in the run that this one goes on from
    fresh: Any = (
        None  #: a Turn as it was opened, before it became that one: each pass that is apart begins so
    )
    idle_log: IdleLog = field(default_factory=IdleLog)  #: when its folds gave blocks without input
    async_jobs: set[Job] = field(default_factory=set)  #: its calls that the loop has under way

    def epochs(self) -> Epochs:
        """Counts the passes that go by, from the first."""
        epochs = Epochs(self.first_epoch, align=self.align)
        if self.saved is not None and "epoch" in self.saved:
            epochs.number = self.saved["epoch"]
        return epochs

    @property
    def name(self) -> str:
        """What its task is called."""
        return " > ".join(member.name for member in self.members)

    async def take(self, which: int = 0) -> Message:
        """The next message of an input; the time that it takes counts as starved."""
        began = self.takes_since = perf_counter()
        try:
            return await self.inputs[which].take()
        finally:
            self.takes_since = None
            now = perf_counter()
            self.starved += now - began
            if self.waited is not None and now - began > self.long_wait:
                self.waited("no input", began, now)

    async def put(self, message: Message, port: str = "out") -> None:
        """Write a message; the time that it takes counts as blocked. Raises TypeError in a sink."""
        if port not in self.outputs:
            self.check_sink(message)
            return
        began = self.puts_since = perf_counter()
        try:
            await self.outputs[port].put(message)
        finally:
            self.puts_since = None
            now = perf_counter()
            self.blocked += now - began
            if self.waited is not None and now - began > self.long_wait:
                self.waited("no room", began, now)

    def waits(self, now: float) -> tuple[float, float]:
        """Seconds without input and without room, the waits that are not over included; from any thread."""
        takes, puts = self.takes_since, self.puts_since
        starved = self.starved + (0.0 if takes is None else max(0.0, now - takes))
        return starved, self.blocked + (0.0 if puts is None else max(0.0, now - puts))

    @property
    def is_map(self) -> bool:
        """Its members are Maps."""
        return isinstance(self.members[0].operator, Map)

    async def put_all(self, mark: Mark) -> None:
        """Write a mark to every output."""
        for port in self.outputs:
            await self.put(mark, port)

    async def cut(
        self, label: Label, value: Mapping[str, Any], inputs: Sequence[Label] | None = None
    ) -> None:
        """Save its part, and pass the cut on, where a cut passes between two messages; see `Saver.save`."""
        if self.saver is not None and self.saver.save(label, self.sent(), value, inputs):
            for port in self.outputs:
                with suppress(ReaderGone):  # the other ports are read
                    await self.put(Cut(label), port)

    def check_sink(self, message: Message) -> None:
        """Raise TypeError for a block that nobody would get: the stage says that it gives nothing."""
        if isinstance(message, NumberedBlock) and message.block is not None:
            with self.members[-1]:
                kind = type(message.block).__name__
                raise TypeError(f"gave a {kind}, but gives() names no output; return None, and drop it")

    def gave(self, port: str) -> int:
        """Samples that its operators gave for an output, by their own account."""
        last = self.members[-1]
        return self.given[port] if isinstance(last.operator, Route) else last.meter.out

    def sent(self) -> dict[str, int]:
        """Messages written, by port."""
        return {port: channel.sent for port, channel in self.outputs.items()}

    def end(self) -> None:
        """End all outputs: no more messages come."""
        if self.saver is not None:
            self.saver.end(len(self.inputs), self.sent(), self.given)
        for channel in self.outputs.values():
            channel.end()

    def leave(self) -> None:
        """Leave all inputs: whoever writes them may stop."""
        for channel in self.inputs:
            channel.leave()

    def close(self) -> None:
        """The run is over: close what its operators have open, each, whatever the others raise."""
        self.running = 0
        with ExitStack() as stack:
            for member in reversed(self.members):
                stack.callback(member.close)
            stack.callback(self._let_go)

    def _let_go(self) -> None:
        # A generator's own `finally` runs now, not when it is garbage; unless a stuck thread is inside.
        if isinstance(self.going, GeneratorType) and not self.going.gi_running:
            with self.members[0]:
                self.going.close()
