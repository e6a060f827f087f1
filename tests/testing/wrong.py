"""Operators that are right, and what they become with one mistake each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from flowload.abc.operators import Block, Call, Mark, Operator, Setting, State
from flowload.blocks import Batch, Frames, Item
from flowload.graph import Stage

__all__ = ["Adds", "Counts", "Pairs", "Swaps", "Whatever", "batches"]


def batches(*sizes: int) -> list[Batch]:
    """Batches of rising numbers."""
    starts = np.cumsum([0, *sizes])
    return [Batch({"x": np.arange(start, start + size)}) for start, size in zip(starts, sizes, strict=False)]


@dataclass(frozen=True, kw_only=True)
class Whatever(Stage):
    """A stage of any operators."""

    word: ClassVar[str] = "whatever"
    accepts: ClassVar[tuple[type, ...]] = (object,)

    make: Callable[[], Sequence[Operator]] = field(repr=False)
    kind: type = object

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return {"out": self.kind}

    def open(self, setting: Setting) -> Sequence[Operator]:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class WhateverSource(Whatever):
    """The same without an input."""

    accepts: ClassVar[tuple[type, ...]] = ()


class Adds:
    """A map that adds a random number to each."""

    def apply(self, block: Batch, call: Call) -> Block | None:
        out = call.lease(block.arrays["x"].nbytes).view(np.int64)
        np.add(block.arrays["x"], call.rng().integers(0, 1000), out=out)
        return Batch({"x": out})


class Pairs:
    """A fold that gives samples two by two; the last one alone is dropped."""

    def __init__(self) -> None:
        self.waiting: list[int] = []

    @property
    def held(self) -> int:
        return len(self.waiting)

    def push(self, block: Batch, call: Call) -> Iterator[Batch]:
        for value in block.arrays["x"].tolist():
            self.waiting.append(value)
            if len(self.waiting) == 2:
                first, second = self.waiting
                self.waiting = []
                yield Batch({"x": np.array([first, second + call.number])})

    def mark(self, mark: Mark, call: Call) -> Iterable[Block]:
        return ()

    def flush(self, call: Call) -> Iterator[Block]:
        call.drop(len(self.waiting), "odd")
        self.waiting = []
        return iter(())

    def state(self) -> State:
        return {"waiting": self.waiting}

    def restore(self, state: State) -> None:
        self.waiting = list(state["waiting"])


class Counts:
    """A source of batches; which number comes next is its cursor."""

    def __init__(self, count: int = 5) -> None:
        self.count = count
        self.next = 0

    def epoch(self, number: int, call: Call) -> Iterator[Block | Mark]:
        for k in range(self.next, self.count):
            self.next = k + 1
            yield Batch({"x": call.rng(number, k).integers(0, 1000, k + 1)})
        self.next = 0

    def state(self) -> State:
        return {"next": self.next}

    def restore(self, state: State) -> None:
        self.next = state["next"]


class Swaps:
    """A route: the even numbers here, the odd ones there."""

    def route(self, block: Batch, call: Call) -> Mapping[str, Block]:
        odd = block.arrays["x"] % 2 == 1
        return {"odd": block.select(odd), "even": block.select(~odd)}


# --- one mistake each -------------------------------------------------------------------------------


class Remembers(Adds):
    """A map with a state."""

    def __init__(self) -> None:
        self.calls = 0

    def apply(self, block: Batch, call: Call) -> Block | None:
        self.calls += 1
        return Batch({"x": block.arrays["x"] + self.calls})


class SharesScratch(Adds):
    """A map whose calls write to one array; the barrier makes two of them meet."""

    def __init__(self) -> None:
        self.scratch = np.zeros(64, np.int64)
        self.meet = threading.Barrier(2)

    def apply(self, block: Batch, call: Call) -> Block | None:
        x = block.arrays["x"]
        self.scratch[: len(x)] = x
        if threading.current_thread() is not threading.main_thread():
            self.meet.wait(10)
        return Batch({"x": self.scratch[: len(x)].copy()})


class Overwrites(Adds):
    def apply(self, block: Batch, call: Call) -> Block | None:
        block.arrays["x"][0] = -1
        return Batch({"x": block.arrays["x"].copy()})


class LeavesHoles(Adds):
    """A map that does not write all that it leased."""

    def apply(self, block: Batch, call: Call) -> Block | None:
        out = call.lease(block.arrays["x"].nbytes).view(np.int64)
        out[1:] = block.arrays["x"][1:]
        return Batch({"x": out})


class UsesTheClock(Adds):
    """Stands for time, threads and global random numbers."""

    ticks: ClassVar[Iterator[int]] = iter(range(1 << 30))

    def apply(self, block: Batch, call: Call) -> Block | None:
        return Batch({"x": block.arrays["x"] + next(self.ticks)})


class LosesOne(Adds):
    def apply(self, block: Batch, call: Call) -> Block | None:
        return block.select(slice(1, None))


class GivesNothing(Adds):
    def apply(self, block: Batch, call: Call) -> Block | None:
        call.drop(len(block), "all")
        return block.select(slice(0, 0))


class GivesAnother(Adds):
    def apply(self, block: Batch, call: Call) -> Block | None:
        call.opened(1)
        return Item("text")


class GivesAList(Adds):
    def apply(self, block: Batch, call: Call) -> Any:
        return block.arrays["x"].tolist()


class ChangesLater(Pairs):
    """A fold that gives the same array again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.array = np.zeros(2, np.int64)

    def push(self, block: Batch, call: Call) -> Iterator[Batch]:
        for made in super().push(block, call):
            self.array[:] = made.arrays["x"]
            yield Batch({"x": self.array})


class KeepsAtTheEnd(Pairs):
    def flush(self, call: Call) -> Iterator[Block]:
        return iter(())


class HidesHeld(Pairs):
    @property
    def held(self) -> int:
        return 0


class OddState(Pairs):
    def state(self) -> State:
        return {"waiting": {*self.waiting}}


class StateWithEffect(Pairs):
    def state(self) -> State:
        self.waiting = [value + 1 for value in self.waiting]
        return {"waiting": self.waiting}


class Forgets(Pairs):
    """A fold whose state is not all."""

    def state(self) -> State:
        return {"waiting": [0] * len(self.waiting)}


class ForgetsHeld(Pairs):
    def restore(self, state: State) -> None:
        self.waiting = []


class LosesItsCursor(Counts):
    def restore(self, state: State) -> None:
        self.next = 0


class TwoShapes(Adds, Pairs):
    """A map and a fold at once."""


class NoShape:
    """Nothing."""


class NeedsItsOwn(Adds):
    """A map over Frames that writes to what it is given, whoever else reads it."""

    def apply(self, block: Frames, call: Call) -> Block | None:  # type: ignore[override]
        block.data[:] += 1
        return block
