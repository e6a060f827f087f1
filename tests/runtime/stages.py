"""Stages so small that what a run made of them can be read off: whole numbers in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block, Call, Operator, Setting, State
from flowload.graph import Graph, Stage, place

__all__ = [
    "Cycle",
    "Does",
    "DoesAsync",
    "Folds",
    "Ints",
    "Modulo",
    "Origin",
    "Rebatches",
    "Step",
    "Yields",
    "fan_out",
    "flat",
    "in_turn",
    "numbers",
    "origin",
    "plus",
    "rebatch",
    "step",
]


@dataclass(frozen=True)
class Ints:
    """A block of whole numbers."""

    values: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes)

    def select(self, which: NDArray[Any] | slice) -> Ints:
        return replace(self, values=self.values[which])


def ints(values: Iterable[int]) -> Ints:
    return Ints(np.fromiter(values, np.int64))


def flat(blocks: Iterable[Any]) -> list[int]:
    """Every number that these blocks hold, in their order."""
    return [int(value) for block in blocks for value in block.values]


# ---- declarations: what they open is given by the test


@dataclass(frozen=True, kw_only=True)
class Origin(Stage):
    """A source."""

    word: ClassVar[str] = "origin"
    makes: ClassVar[type] = object
    make: Callable[[], Sequence[Operator]]
    growing: bool = False  # type: ignore[misc]  # a field may override the class's word, says Stage

    def open(self, setting: Setting) -> Sequence[Operator]:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class Step(Stage):
    """Anything with one input; several ports make it a fan-out."""

    word: ClassVar[str] = "step"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    make: Callable[[], Sequence[Operator]]
    ports: tuple[str, ...] = ("out",)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        return dict.fromkeys(self.ports, object)

    def open(self, setting: Setting) -> Sequence[Operator]:
        return self.make()


@dataclass(frozen=True, kw_only=True)
class Junction(Step):
    """Anything with several inputs."""

    word: ClassVar[str] = "junction"
    fan_in: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Hands(Step):
    """A step that blocking I/O would take."""

    word: ClassVar[str] = "hands"
    executor: ClassVar[str] = "io"


# ---- operators


class Yields:
    """A source that goes through what a function of the pass gives, and counts what it was asked for."""

    def __init__(self, make: Callable[[int], Iterable[Any]]) -> None:
        self.make = make
        self.made = 0  #: blocks asked for, over all passes

    def epoch(self, number: int, call: Call) -> Iterator[Any]:
        for word in self.make(number):
            self.made += 1
            yield word

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        pass


class Does:
    """A map that calls a function."""

    def __init__(self, fn: Callable[[Any, Call], Any]) -> None:
        self.fn = fn

    def apply(self, block: Any, call: Call) -> Block | None:
        return self.fn(block, call)  # type: ignore[no-any-return]  # the test's business


class DoesAsync(Does):
    """A map that awaits a coroutine function."""

    async def apply(self, block: Any, call: Call) -> Block | None:  # type: ignore[override]  # as Map allows
        return await self.fn(block, call)  # type: ignore[no-any-return]  # the test's business


class Folds:
    """A fold without state that calls functions."""

    def __init__(
        self,
        push: Callable[[Any, Call], Iterable[Block]] = lambda block, _: [block],
        flush: Callable[[Call], Iterable[Block]] = lambda _: (),
    ) -> None:
        self.pushed = push
        self.flushed = flush

    def push(self, block: Any, call: Call) -> Iterable[Block]:
        return self.pushed(block, call)

    def flush(self, call: Call) -> Iterable[Block]:
        return self.flushed(call)

    @property
    def held(self) -> int:
        return 0

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        pass


class Rebatches(Folds):
    """Cuts the stream into blocks of `size`, the last one smaller."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rest: list[int] = []

    def push(self, block: Ints, call: Call) -> Iterator[Ints]:
        self.rest += block.values.tolist()
        while len(self.rest) >= self.size:
            made, self.rest = self.rest[: self.size], self.rest[self.size :]
            yield ints(made)

    def flush(self, call: Call) -> Iterator[Ints]:
        if self.rest:
            made, self.rest = self.rest, []
            yield ints(made)

    @property
    def held(self) -> int:
        return len(self.rest)


class Modulo:
    """Routes each number to the port of its remainder."""

    def __init__(self, ports: Sequence[str]) -> None:
        self.ports = ports

    def route(self, block: Ints, call: Call) -> Mapping[str, Block]:
        return {port: block.select(block.values % len(self.ports) == k) for k, port in enumerate(self.ports)}


class Cycle:
    """Takes from the inputs in turn."""

    def __init__(self) -> None:
        self.last = -1

    def choose(self, alive: Sequence[int]) -> int:
        return next((k for k in alive if k > self.last), alive[0])

    def took(self, which: int, samples: int) -> None:
        self.last = which


# ---- words


def origin(operator: Any, **how: Any) -> Graph:
    """A source of this operator."""
    return place(Origin(make=lambda: (operator,), **how))


def numbers(count: int, size: int = 1) -> Graph:
    """0 … count - 1 in blocks of `size`; a fresh source in every run."""

    def blocks(_: int) -> Iterator[Ints]:
        return (ints(range(at, min(at + size, count))) for at in range(0, count, size))

    return place(Origin(make=lambda: (Yields(blocks),)))


def step(*operators: Callable[[], Any], name: str | None = None, **how: Any) -> Graph:
    """A stage of operators, made anew for every run."""
    return place(Step(make=lambda: [make() for make in operators], **how), name=name)


def plus(amount: int, **how: Any) -> Graph:
    """Adds to every number."""
    return step(lambda: Does(lambda block, _: Ints(block.values + amount)), **how)


def rebatch(size: int, **how: Any) -> Graph:
    """Cuts into blocks of this size."""
    return step(lambda: Rebatches(size), **how)


def fan_out(*ports: str) -> Graph:
    """Splits by remainder."""
    return step(lambda: Modulo(ports), ports=ports)


def in_turn() -> Graph:
    """Joins several graphs, a block from each in turn."""
    return place(Junction(make=lambda: [Cycle()]))
