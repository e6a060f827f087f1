"""Neighbouring Folds as one object: messages in, messages out, lazily, without threads or waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from flowload.abc.operators import Block, Fold, Mark
from flowload.abc.powers import Idling, Interruptible, Marked
from flowload.runtime.channel import Cut, Message, NumberedBlock
from flowload.runtime.growing.idle_log import IdleLog
from flowload.runtime.state.meters import counts_of
from flowload.runtime.tasks.call import Member, RunCall
from flowload.runtime.tasks.epochs import Epochs

from .chain_state import ChainState, UnderWay, Way
from .fold_call import clean, holding, run_call

__all__ = ["FoldChain"]


PUSH = Way("push", blocks=1)


def _one_pass() -> Epochs:
    return Epochs(0, align=False)


class FoldChain:
    """Feeds each fold with what the one before it gives. Used by one thread at a time.

    Calls are accounted for here, not by the task as in Maps: folds see the stream in order anyway.
    """

    def __init__(
        self,
        members: Sequence[Member],
        epochs: Callable[[], Epochs] = _one_pass,
        state: ChainState | None = None,
        idle_log: IdleLog | None = None,
    ) -> None:
        self._members = members
        self._folds = [member.operator for member in members if isinstance(member.operator, Fold)]
        self._several = len(self._folds) > 1
        self._holding = [holding(fold) for fold in self._folds]  # once: a static look takes 7 us
        # Asked once: a look at a protocol takes 3 to 8 us, and a pass over little data sees them all.
        self._interruptible = [isinstance(fold, Interruptible) for fold in self._folds]
        self._takes_marks = [fold if isinstance(fold, Marked) else None for fold in self._folds]
        self._idling = [fold if isinstance(fold, Idling) else None for fold in self._folds]
        self._taken = [0] * len(members)  # messages that each fold has taken: numbers its calls
        self._epochs = [epochs() for _ in range(len(members) + 1)]  # of each fold, and of what comes out
        self._made = 0
        self._trail: tuple[Any, ...] = ()  # of the block that comes in
        self._state = ChainState() if state is None else state
        self._idle_log = IdleLog() if idle_log is None else idle_log
        self._ahead = 0  # messages that were fed, and are not taken yet
        self.idles = any(fold is not None for fold in self._idling)  #: can make blocks without input
        self.out: Iterator[Message] = iter(())  #: what `advance` goes through

    def go_on(self, saved: Mapping[str, Any]) -> None:
        """Stand where an earlier run stood; `advance` makes the rest of a call that was under way."""
        self._taken, self._made = list(saved["taken"]), saved["made"]
        for epochs, number in zip(self._epochs, saved["epochs"], strict=True):
            epochs.number = number
        if saved["now"] is not None:
            self.out = self._rest_of(UnderWay.of(saved["now"]))

    def feed(self, messages: Iterable[Message]) -> None:
        """Take messages; `advance` makes what comes of them."""
        fed = deque(messages)
        self._ahead = sum(not isinstance(message, Cut) for message in fed)
        self.out = self._all(fed)

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
            self._state.count(message)
            if len(made) >= messages or perf_counter() - began > seconds:
                return made, False
        return made, True

    def _all(self, messages: deque[Message]) -> Iterator[Message]:
        while messages:  # a block that is done with is not kept alive
            message = messages.popleft()
            if isinstance(message, Cut):
                yield from self._state.passed(message, self._saved)
                continue
            self._state.since += 1
            self._ahead -= 1
            if isinstance(message, Mark):
                yield from self._mark(0, message)
            elif message.block is not None:
                if message.trail:
                    self._trail = (*message.trail, self._stand())
                yield from self._push(0, message)
            if self._state.due():
                yield from self._state.finer(self._saved)

    def _push(self, k: int, item: NumberedBlock) -> Iterator[Message]:
        call = self._call(k, item.block, item.samples)
        return self._each(k, call, partial(self._folds[k].push, item.block, call), PUSH, item)

    def _out(self, item: NumberedBlock) -> NumberedBlock:
        """What the last fold gave, as it goes on."""
        self._made += 1
        return NumberedBlock(self._made - 1, item.block, item.nbytes, item.samples, self._trail)

    def _mark(self, first: int, mark: Mark, done: str = "") -> Iterator[Message]:
        """A mark goes through the folds from one on.

        Args:
            first: number of that fold.
            mark: it.
            done: what that fold is done with: "mark" (it was told), "pass" (and emptied), or nothing.
        """
        for k in range(first, len(self._folds)):
            if not done:
                yield from self._tell(k, mark)
            if done != "pass" and mark is Mark.EPOCH and self._epochs[k].align:
                yield from self._empty(k, Way("pass", mark=mark.value, empties=True))
            done = ""
            if self._epochs[k].passed(mark):
                self._taken[k] = 0
        if self._epochs[-1].passed(mark):
            self._made = 0
        yield mark

    def _tell(self, k: int, mark: Mark) -> Iterable[Message]:
        """A fold takes a mark, which has a number among its calls also where it does not care."""
        if (operator := self._takes_marks[k]) is None:
            self._taken[k] += 1
            return ()
        call = self._call(k)
        return self._each(k, call, partial(operator.mark, mark, call), Way("mark", mark=mark.value))

    def _flush(self, first: int = 0) -> Iterator[Message]:
        for k in range(first, len(self._folds)):
            yield from self._empty(k, Way("flush", empties=True))

    def _empty(self, k: int, way: Way) -> Iterator[Message]:
        call = self._call(k)
        yield from self._each(k, call, partial(self._folds[k].flush, call), way)

    def _rest_of(self, now: UnderWay) -> Iterator[Message]:
        """The rest of a call that was under way, and of what it was a part of."""
        k, way = now.fold, now.way
        operator = self._folds[k]
        assert isinstance(operator, Interruptible)  # noqa: S101 - no other is saved in the midst of a call
        call = self._members[k].call(now.number, None, now.samples, epoch=self._epochs[k].number)
        yield from self._each(k, call, partial(operator.resume, call), way)
        if way.word in ("mark", "pass"):
            yield from self._mark(k, Mark(way.mark), done=way.word)
        elif way.word == "flush":
            yield from self._flush(k + 1)

    def _idle(self) -> Iterator[Message]:
        """What folds give without input, noted, and a cut behind it: sources may tell nothing for hours."""
        gave = False
        for k, operator in enumerate(self._idling):
            if operator is not None:
                call = self._members[k].call(self._taken[k], epoch=self._epochs[k].number)
                for message in self._each(k, call, partial(self._idle_once, k, operator, call), Way("idle")):
                    if not gave:
                        self._idle_log.gave()
                        gave = True
                    yield message
        if gave:
            yield from self._state.finer(self._saved)

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
        way: Way,
        item: NumberedBlock | None = None,  # noqa: ARG002 - what it took, which a dump names
    ) -> Iterator[Message]:
        """What becomes of all that one call of a fold gives.

        Between two blocks that it gives, folds that can be saved in the midst of a call are, if it is time;
        unless the call is itself part of another fold's.
        """
        if self._several and self._members[k].meter.asks:  # of one, the job says what CPU it took
            call.cpu = 0.0
        run = run_call(self._members[k], self._holding[k], call, make, blocks=way.blocks, empties=way.empties)
        state, last = self._state, k + 1 == len(self._folds)
        outermost = state.now is None
        if outermost:
            state.now = UnderWay(k, way, call.number, call.samples)
        interruptible = outermost and self._interruptible[k] and way.word != "idle"
        try:
            for made in run:
                if last:
                    yield self._out(made)
                else:
                    yield from self._push(k + 1, made)
                if interruptible and state.due() and clean(call):
                    yield from state.finer(self._saved)
        finally:
            run.close()  # the run was left in the midst of it
            if outermost:
                state.now = None

    def _saved(self) -> dict[str, Any]:
        """Its own counts, for a state."""
        own = {
            "taken": list(self._taken),
            "made": self._made,
            "epochs": [epochs.number for epochs in self._epochs],
        }
        return {**own, "idle": self._idle_log.place(self._ahead)} if self.idles else own

    def _stand(self) -> dict[str, Any]:
        """Where it stands before a block on its way to an output."""
        return {"taken": list(self._taken), "made": self._made, "counts": counts_of(self._members)}

    def _call(self, k: int, block: Block | None = None, samples: int = 0) -> RunCall:
        self._taken[k] += 1
        return self._members[k].call(self._taken[k] - 1, block, samples, epoch=self._epochs[k].number)
