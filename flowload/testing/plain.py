"""The slow, obvious twin of a run: one thread, no queues, no reuse of memory.

It is what the order of calls, their numbers and so their random numbers mean:

    A source    is asked for one pass after the other; its blocks are numbered over all passes, and each
                pass is closed by `Mark.EPOCH`.
    A map       keeps the number of its block; where it makes nothing, the number is left out.
    A fold      numbers its calls by what it has taken (blocks, marks, the flush), and its blocks by what it
                has given. It is never asked to idle: that depends on time.
    A bundle    parts where it comes out.
    A route     numbers the parts of each output by themselves; marks go to every output.
    The end     flushes the folds in the order of the flow, each before the next.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

from flowload.abc.operators import Block, Bundled, Fold, Map, Mark, Route, Source
from flowload.abc.powers import Closing, Marked
from flowload.errors import DataError, LedgerError

from .call import PlainCall
from .seat import Seat

__all__ = ["Made", "Numbered", "Plain", "Watch", "Word"]


class Numbered(NamedTuple):
    """A block and its number in its stream."""

    number: int
    block: Block


class Made(NamedTuple):
    """A block that came out at the end, and of which output."""

    output: str
    block: Block


Word: TypeAlias = Numbered | Mark


class Watch(Protocol):
    """Somebody who looks at every call that takes a block."""

    def entering(self, seat: Seat, number: int, block: Block) -> None:
        """The block is about to be taken."""

    def left(self, seat: Seat, number: int, made: Mapping[str, Block]) -> None:
        """The call is over and settled; `made`: what a map or a route made of the block, by port."""


class Plain:
    """Makes one call at a time. A context: leaving it closes the operators.

    Args:
        seats: in the order of the flow; the first may be a source.
        fill: the byte that leases are filled with.
        watch: looks at every call.
    """

    def __init__(self, seats: Sequence[Seat], *, fill: int = 0xA5, watch: Watch | None = None) -> None:
        self.seats = seats
        self.fill = fill
        self.watch = watch
        self.runner = asyncio.Runner()  # for operators that wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()
        for seat in self.seats:
            if isinstance(seat.operator, Closing):
                seat.operator.close()

    def words(self, epochs: int, *, start: int = 0) -> Iterator[Word]:
        """What the source in the first seat gives in its passes from `start` to below `epochs`."""
        seat = self.seats[0]
        for epoch in range(start, epochs):
            seat.taken = epoch
            call = self.call(seat, epoch)
            for word in self.one_pass(seat, call):
                if isinstance(word, Mark):
                    yield word
                else:
                    seat.account.in_ += len(word)
                    yield self.give(seat, word)
            # What a source drops counts as its input first, as in a run.
            call.settle(seat.account, call.dropped.total() + call.rejected.total())
            yield Mark.EPOCH

    def feed(self, word: Word) -> Iterator[Made]:
        """What comes of one word, behind the source if there is one."""
        first = self.seats[0]
        for target in first.readers.values() if isinstance(first.operator, Source) else [first]:
            yield from self.mark(target, word) if isinstance(word, Mark) else self.push(target, *word)

    def flush(self) -> Iterator[Made]:
        """What comes of the end of the stream."""
        for seat in self.seats:
            if isinstance(seat.operator, Fold):
                call = self.next_call(seat)
                yield from self.each(seat, call, seat.operator.flush(call), samples=0)
                seat.emptied = True

    def check(self) -> None:
        """Raise LedgerError unless in = out + dropped + held in every seat."""
        wrong = [
            f"{seat.name}: {seat.account}, held {seat.held}" for seat in self.seats if seat.unaccounted()
        ]
        if wrong:
            raise LedgerError("samples do not add up; " + "; ".join(wrong))

    # --- one word, one seat -------------------------------------------------------------------------

    def push(self, target: Seat | str, number: int, block: Block) -> Iterator[Made]:
        """A block goes into a seat, or out."""
        if isinstance(target, str):
            for part in block.bundled if isinstance(block, Bundled) else [block]:
                yield Made(target, part)
            return
        if self.watch is not None:
            self.watch.entering(target, number, block)
        parts: Mapping[str, Block] = {}
        if isinstance(target.operator, Fold):
            call = self.next_call(target)
            yield from self.each(target, call, target.operator.push(block, call), samples=len(block))
        else:
            parts = self.parts(target, number, block)
        given = {port: self.give(target, part, port) for port, part in parts.items()}
        if self.watch is not None:
            self.watch.left(target, number, parts)
        for port, (own, part) in given.items():
            kept = number if isinstance(target.operator, Map) else own
            yield from self.push(target.readers[port], kept, part)

    def mark(self, target: Seat | str, mark: Mark) -> Iterator[Made]:
        """A mark goes into a seat, and on behind what it brings out."""
        if isinstance(target, str):
            return
        if isinstance(target.operator, Fold):
            call = self.next_call(target)
            blocks = target.operator.mark(mark, call) if isinstance(target.operator, Marked) else ()
            yield from self.each(target, call, blocks, samples=0)
        for reader in target.readers.values():
            yield from self.mark(reader, mark)

    def parts(self, seat: Seat, number: int, block: Block) -> Mapping[str, Block]:
        """What a map or a route makes of a block, by port."""
        call, samples, operator = self.call(seat, number), len(block), seat.operator
        parts: Mapping[str, Block] = {}
        try:
            if isinstance(operator, Route):
                parts = {port: part for port, part in operator.route(block, call).items() if len(part)}
            elif isinstance(operator, Map):
                made = self.wait(operator.apply(block, call))
                parts = {} if made is None else {"out": made}
        except DataError as error:
            call.reject_all(error, samples)
        call.settle(seat.account, samples)
        return parts

    def each(self, seat: Seat, call: PlainCall, blocks: Iterable[Block], *, samples: int) -> Iterator[Made]:
        """What a fold gives in one call; each block goes all the way before the next is asked for."""
        source = iter(blocks)
        while True:
            try:
                block = next(source, None)
            except DataError as error:
                call.reject(error, samples)
                break
            if block is None:
                break
            yield from self.push(seat.readers["out"], *self.give(seat, block))
        call.settle(seat.account, samples)

    def give(self, seat: Seat, block: Block, port: str = "out") -> Numbered:
        """Count and number a block that leaves a seat."""
        seat.account.out += len(block)
        seat.given[port] += 1
        return Numbered(seat.given[port] - 1, block)

    # --- calls --------------------------------------------------------------------------------------

    def call(self, seat: Seat, number: int) -> PlainCall:
        """A new call."""
        return PlainCall(seat.key, number, on_error=seat.on_error, fill=self.fill)

    def next_call(self, seat: Seat) -> PlainCall:
        """A fold's next call."""
        seat.taken += 1
        return self.call(seat, seat.taken - 1)

    def one_pass(self, seat: Seat, call: PlainCall) -> Iterator[Block | Mark]:
        """What a source gives in one pass."""
        if not isinstance(seat.operator, Source):
            raise TypeError(f"{seat.name}: {seat.operator!r} is no source")
        stream = seat.operator.epoch(call.number, call)
        if isinstance(stream, AsyncIterator):
            while (word := self.wait(anext(stream, None))) is not None:
                yield word
        else:
            yield from stream

    def wait(self, value: Any) -> Any:
        """The value, or what it turns out to be when it was waited for."""
        return self.runner.run(finished(value)) if inspect.isawaitable(value) else value


async def finished(value: Awaitable[Any]) -> Any:
    """A coroutine for anything that can be waited for."""
    return await value
