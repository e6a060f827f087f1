"""Neighbouring Folds as one object: messages in, messages out, lazily, without threads or waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from inspect import getattr_static
from time import perf_counter
from types import GeneratorType
from typing import cast

from flowload.abc.operators import Block, Fold, Mark
from flowload.abc.powers import Holding, Idling, Marked
from flowload.errors import DataError
from flowload.runtime.channel import Message, NumberedBlock

from .call import Member, RunCall
from .epochs import Epochs

__all__ = ["FoldChain"]


def _one_pass() -> Epochs:
    return Epochs(0, align=False)


class FoldChain:
    """Feeds each fold with what the one before it gives. Used by one thread at a time.

    Calls are accounted for here, not by the task as in Maps: folds see the stream in order anyway.
    """

    def __init__(self, members: Sequence[Member], epochs: Callable[[], Epochs] = _one_pass) -> None:
        self._members = members
        self._folds = [member.operator for member in members if isinstance(member.operator, Fold)]
        self._holding = [holding(fold) for fold in self._folds]  # once: a static look takes 7 us
        self._taken = [0] * len(members)  # messages that each fold has taken: numbers its calls
        self._epochs = [epochs() for _ in range(len(members) + 1)]  # of each fold, and of what comes out
        self._made = 0
        self.idles = any(isinstance(fold, Idling) for fold in self._folds)  #: can make blocks without input
        self.out: Iterator[Message] = iter(())  #: what `advance` goes through

    def feed(self, messages: Iterable[Message]) -> None:
        """Take messages; `advance` makes what comes of them."""
        self.out = self._all(deque(messages))

    def finish(self) -> None:
        """The stream is over; `advance` makes what is still held."""
        self.out = self._flush()

    def rest(self) -> None:
        """No input waits; `advance` makes what a fold can give without."""
        self.out = self._idle()

    def advance(self, messages: int, seconds: float) -> tuple[list[Message], bool]:
        """Make at most so many messages, for about so long (s); True: there are no more."""
        made: list[Message] = []
        began = perf_counter()
        for message in self.out:
            made.append(message)
            if len(made) >= messages or perf_counter() - began > seconds:
                return made, False
        return made, True

    def _all(self, messages: deque[Message]) -> Iterator[Message]:
        while messages:  # a block that is done with is not kept alive
            message = messages.popleft()
            if isinstance(message, Mark):
                yield from self._mark(0, message)
            elif message.block is not None:
                yield from self._push(0, message)

    def _push(self, k: int, item: NumberedBlock) -> Iterator[Message]:
        if k == len(self._members):
            self._made += 1
            return iter((NumberedBlock(self._made - 1, item.block, item.nbytes, item.samples),))
        call = self._call(k, item.block, item.samples)
        return self._each(k, call, partial(self._folds[k].push, item.block, call), item)

    def _mark(self, k: int, mark: Mark) -> Iterator[Message]:
        if k == len(self._members):
            if self._epochs[k].passed(mark):
                self._made = 0
            yield mark
            return
        call = self._call(k)
        operator = self._members[k].operator
        if isinstance(operator, Marked):
            yield from self._each(k, call, partial(operator.mark, mark, call))
        if mark is Mark.EPOCH and self._epochs[k].align:
            yield from self._empty(k)
            self._epochs[k].passed(mark)
            self._taken[k] = 0
        yield from self._mark(k + 1, mark)

    def _flush(self) -> Iterator[Message]:
        for k in range(len(self._folds)):
            yield from self._empty(k)

    def _empty(self, k: int) -> Iterator[Message]:
        call = self._call(k)
        yield from self._each(k, call, partial(self._folds[k].flush, call), empties=True)

    def _idle(self) -> Iterator[Message]:
        for k, member in enumerate(self._members):
            operator = member.operator
            if isinstance(operator, Idling):
                call = member.call(self._taken[k], epoch=self._epochs[k].number)
                yield from self._each(k, call, partial(self._idle_once, k, operator, call))

    def _idle_once(self, k: int, operator: Idling, call: RunCall) -> list[Block]:
        if (block := operator.idle(call)) is None:
            return []
        self._taken[k] += 1  # asked in vain does not count: how often depends on time
        return [block]

    def _each(
        self,
        k: int,
        call: RunCall,
        make: Callable[[], Iterable[Block]],
        item: NumberedBlock | None = None,
        *,
        empties: bool = False,
    ) -> Iterator[Message]:
        """What becomes of all that one call of a fold gives; `item`: what it took, which a dump names."""
        holds = self._holding[k]
        run = _run(self._members[k], holds, call, make, blocks=int(item is not None), empties=empties)
        try:
            for made in run:
                yield from self._push(k + 1, made)
        finally:
            run.close()  # the run was left in the midst of it

    def _call(self, k: int, block: Block | None = None, samples: int = 0) -> RunCall:
        self._taken[k] += 1
        return self._members[k].call(self._taken[k] - 1, block, samples, epoch=self._epochs[k].number)


class End(Enum):
    """No block: what a fold gave is over."""

    END = "end"


def _run(
    member: Member,
    holds: Holding | None,
    call: RunCall,
    make: Callable[[], Iterable[Block]],
    *,
    blocks: int,
    empties: bool,
) -> Generator[NumberedBlock, None, None]:
    """One call of a fold: time it, weigh and count what it gives, settle it when it has given everything."""
    source: Iterator[Block] | None = None
    try:
        while True:
            began = perf_counter()
            made: NumberedBlock | None = None
            try:
                with member:
                    source = iter(make()) if source is None else source
                    if (block := next(source, End.END)) is not End.END:
                        made = NumberedBlock.of(0, given(block))
            except DataError as error:
                call.reject_all(error)
            call.seconds += perf_counter() - began
            if made is None:
                break
            member.meter.gave(made.samples, made.nbytes)
            yield made
    except GeneratorExit:  # the run is over in the midst of a call: its own `finally` runs now
        if isinstance(source, GeneratorType):
            with member:
                source.close()
        raise
    if holds is not None:
        with member:
            member.meter.held = holds.held
        member.settle(call, blocks=blocks)
    else:  # it does not say: what is nowhere else is held, and nothing when it was emptied
        member.settle(call, blocks=blocks)
        member.meter.held = 0
        member.meter.held = 0 if empties else max(0, member.meter.under_way)


def holding(fold: Fold) -> Holding | None:
    """A fold, if it says what it holds; not by `isinstance`, which would ask its property: user code."""
    return cast("Holding", fold) if getattr_static(fold, "held", None) is not None else None


def given(block: Block | None) -> Block:
    """A block that a fold gave. Raises TypeError for None: taken for the end, the rest would be lost."""
    if block is None:
        raise TypeError("gave None among its blocks; wanted blocks, and no more of them where there are none")
    return block
