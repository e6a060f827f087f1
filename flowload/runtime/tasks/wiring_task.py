"""The tasks of fan-out and fan-in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from time import perf_counter

from flowload.abc.operators import Mark, Route, Turn
from flowload.errors import DataError, GraphError
from flowload.runtime.channel import Channel, Cut, EndOfStream, Message, NumberedBlock, ReaderGone
from flowload.runtime.message import Label
from flowload.runtime.state.snapshots import ENDED
from flowload.runtime.threads.executor import Executor

from .call import Member
from .segment import Segment

__all__ = ["RouteTask", "TurnTask", "run_turn"]


class RouteTask:
    """A fan-out at work: sends the parts of every block to their outputs; marks go to all."""

    def __init__(self, segment: Segment, executor: Executor) -> None:
        self.segment = segment
        self.executor = executor
        self.waits_for: Channel | None = None

    async def run(self) -> None:
        """Route until the stream ends."""
        segment = self.segment
        saved = segment.saved or {}
        numbers = {port: saved.get("numbers", {}).get(port, 0) for port in segment.outputs}
        member = segment.members[0]
        epochs = segment.epochs()
        try:
            while True:
                message = await segment.take()
                if isinstance(message, Cut):
                    value = {"numbers": numbers.copy(), "given": dict(segment.given), "epoch": epochs.number}
                    if segment.saver is not None and segment.saver.save(message.label, segment.sent(), value):
                        await self._each(dict.fromkeys(segment.outputs, Cut(message.label)))
                elif isinstance(message, Mark):
                    if epochs.passed(message):
                        numbers = dict.fromkeys(segment.outputs, 0)
                    await self._each(dict.fromkeys(segment.outputs, message))
                elif message.block is not None:
                    work = partial(_route, member, segment.outputs, message, epochs.number)
                    parts = await self.executor.run(work, priority=segment.priority)
                    numbered = {port: part._replace(number=numbers[port]) for port, part in parts.items()}
                    await self._each(numbered)
                    for port, part in parts.items():
                        segment.given[port] += part.samples
                        numbers[port] += 1
        except EndOfStream:
            segment.end()

    async def _each(self, messages: Mapping[str, Message]) -> None:
        """Write to the outputs that are still read; ReaderGone when none is."""
        outputs = self.segment.outputs
        for port, message in messages.items():
            self.waits_for = outputs[port]
            with suppress(ReaderGone):
                await self.segment.put(message, port)
        self.waits_for = None
        if all(channel.reader_left for channel in outputs.values()):
            raise ReaderGone

    def break_deadlock(self) -> None:
        """All tasks are parked: where this deals to lanes, grow the queue that has no room.

        Another lane has nothing more, and all wait for it: a round is one batch of each. What waits here are
        references, of some bytes a chunk; behind here it would be records.
        """
        if self.segment.deals and self.waits_for is not None and self.waits_for.writer_waits:
            self.waits_for.grow()


def _route(
    member: Member, ports: Collection[str], item: NumberedBlock, epoch: int = 0
) -> Mapping[str, NumberedBlock]:
    """The parts of a block; their numbers are given later."""
    assert isinstance(member.operator, Route)  # noqa: S101 - the plan made this task for it
    call = member.call(item.number, item.block, item.samples, epoch=epoch)
    began = perf_counter()
    parts: dict[str, NumberedBlock] = {}
    try:
        with member:
            routed = member.operator.route(item.block, call)
            check_ports(routed, ports)
            parts = {
                port: part for port, each in routed.items() if (part := NumberedBlock.of(0, each)).samples
            }
    except DataError as error:
        call.reject_all(error)
    call.seconds = perf_counter() - began
    for part in parts.values():
        member.meter.gave(part.samples, part.nbytes)
    member.settle(call)  # here already: blocks are routed one at a time, in order
    return parts


def check_ports(routed: object, ports: Collection[str]) -> None:
    """Raise TypeError or GraphError unless parts go to outputs that exist: elsewhere they would be lost."""
    if not isinstance(routed, Mapping):
        raise TypeError(f"route() gave a {type(routed).__name__}; wanted a dict of parts by output name")
    for port in routed:
        if port not in ports:
            names = ", ".join(map(repr, sorted(ports)))
            raise GraphError(f"route() gave a part for the output {port!r}; this stage has {names}")


def check_choice(which: int, ready: Sequence[int]) -> int:
    """The input that a turn chose. Raises GraphError for one that has nothing to give now."""
    if which not in ready:
        raise GraphError(f"choose() gave {which!r}; wanted one of the inputs {list(ready)}")
    return which


async def run_turn(task: TurnTask) -> None:
    """Take blocks from the inputs as the operator chooses; at a mark, an input waits for the others."""
    task.go_on()
    while task.alive:
        await task.step()
    task.segment.end()


class TurnTask:
    """A fan-in at work: which inputs are open, which wait at the end of their pass, which one is awaited.

    A cut that comes on one input does not make it wait for the others: that would change whose turn it is.
    The task saves its part when the cut has passed on all of them, with the number of messages that each gave
    since; going on, those are made again, and the channel drops them.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.alive = list(range(len(segment.inputs)))
        self.at_mark: set[int] = set()
        self.caught_up: set[int] = set()
        self.told = False  # that all of them have caught up
        self.waits_for: int | None = None
        self.number = 0
        self.epochs = segment.epochs()
        member = segment.members[0]
        # It begins anew in every pass where passes are kept apart.
        opened = member.operator if segment.fresh is None else segment.fresh
        self.fresh = deepcopy(opened) if segment.align else opened
        self.chosen: int | None = None  # the input whose turn it is, if that was asked
        self.cuts: dict[
            Label, dict[int, int]
        ] = {}  # that have passed on some inputs: messages since, by input

    def go_on(self) -> None:
        """Stand where an earlier run stood."""
        saved = self.segment.saved
        if saved is not None:
            self.alive = [] if saved.get("ended") else list(saved["alive"])
            if self.alive:
                self.at_mark, self.caught_up = set(saved["at_mark"]), set(saved["caught_up"])
                self.told, self.number, self.chosen = saved["told"], saved["number"], saved["chosen"]

    async def _cut(self, which: int, cut: Cut) -> None:
        """A cut has come on an input; finer ones end here, for the other inputs have none."""
        if len(cut.label) == 1:
            self.cuts.setdefault(cut.label, {})[which] = cut.ahead
            await self._save()

    async def _save(self) -> None:
        """Save its part of cuts that have passed on every input that is open."""
        for label, since in sorted(self.cuts.items()):
            if not since.keys() >= set(self.alive):
                return
            for old in [known for known in self.cuts if known <= label]:
                del self.cuts[old]  # those before it never come on the others
            inputs = [label if k in self.alive else ENDED for k in range(len(self.segment.inputs))]
            value = {
                "alive": list(self.alive),
                "at_mark": sorted(self.at_mark),
                "caught_up": sorted(self.caught_up),
                "told": self.told,
                "number": self.number,
                "chosen": self.chosen,
                "epoch": self.epochs.number,
                # One that has ended makes nothing again, whatever it gave behind the cut.
                "surplus": [since[k] if k in self.alive else 0 for k in range(len(self.segment.inputs))],
            }
            await self.segment.cut(label, value, inputs)

    async def step(self) -> None:
        """Take one message."""
        ready = [k for k in self.alive if k not in self.at_mark]
        if not ready:
            self.at_mark.clear()
            if self.epochs.passed(Mark.EPOCH):
                self.segment.members[0].operator = deepcopy(self.fresh)
                self.number = 0
            await self.segment.put_all(Mark.EPOCH)
            return
        member = self.segment.members[0]
        operator = member.operator
        assert isinstance(operator, Turn)  # noqa: S101 - the plan made this task for it
        if self.chosen is None:
            with member:
                self.chosen = check_choice(operator.choose(ready), ready)
        which = self.chosen
        try:
            message = await self._wait_for(which)
            while isinstance(message, Cut):  # not a turn: the operator is not asked again
                await self._cut(which, message)
                message = await self._wait_for(which)
            self.chosen = None
        except EndOfStream:
            self.chosen = None
            self.alive.remove(which)
            await self._catch_up()
            if self.alive:
                await self._save()
        else:
            await self._pass_on(operator, which, message)

    async def _wait_for(self, which: int) -> Message:
        self.waits_for = which
        try:
            return await self.segment.take(which)
        finally:
            self.waits_for = None

    def break_deadlock(self) -> None:
        """All tasks are parked: grow the inputs that are full while another is awaited.

        A split and this merge may enclose branches that fill unevenly: the split waits for room in one, this
        task for a block of the other. Growing by a block at a time bounds what that costs to what it needs.
        """
        if self.waits_for is not None:
            for k in self.alive:
                if k != self.waits_for and self.segment.inputs[k].writer_waits:
                    self.segment.inputs[k].grow()

    async def _pass_on(self, operator: Turn, which: int, message: Message) -> None:
        for since in self.cuts.values():
            if which in since:
                since[which] += 1
        if isinstance(message, Mark):
            await self._mark(which, message)
        elif isinstance(message, NumberedBlock) and message.block is not None:
            member = self.segment.members[0]
            with member:
                operator.took(which, message.samples)
            member.settle(member.call(self.number, message.block, message.samples, epoch=self.epochs.number))
            member.meter.gave(message.samples, message.nbytes)
            await self.segment.put(message._replace(number=self.number))
            self.number += 1

    async def _mark(self, which: int, mark: Mark) -> None:
        if mark is Mark.EPOCH:
            self.at_mark.add(which)
            await self._catch_up()
        else:
            self.caught_up.add(which)
            self.told = False  # there was news, which is told now
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Say that all have caught up: those that say it, and those that have nothing more to say now.

        A list beside a watched folder never says it, but its pass ends; a pool behind them waits for this.
        """
        done = self.caught_up | self.at_mark
        if self.caught_up and not self.told and done.issuperset(self.alive):
            self.told = True
            await self.segment.put_all(Mark.CAUGHT_UP)
