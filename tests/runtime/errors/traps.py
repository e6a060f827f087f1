"""Places where user code runs, each as a graph whose user code raises what a test says."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Block, Call, Mark
from flowload.errors import ClosedRun
from flowload.graph import Graph
from flowload.runtime.channel import EndOfStream, ReaderGone
from tests.runtime.stages import (
    Cycle,
    Does,
    DoesAsync,
    Folds,
    Ints,
    Junction,
    Modulo,
    Yields,
    ints,
    numbers,
    origin,
    plus,
    step,
)


class OddError(BaseException):
    """What nobody expects."""


class MuteError(Exception):
    """Has no text that could be had."""

    def __str__(self) -> str:
        raise OSError("mute")


KINDS: list[type[BaseException]] = [
    StopIteration,
    StopAsyncIteration,
    GeneratorExit,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    OddError,
    ValueError,
    ClosedRun,
    EndOfStream,
    ReaderGone,
    MuteError,
]
BARE = concurrent.futures.CancelledError, ValueError, ClosedRun, MuteError


@dataclass
class Trap:
    """Raises once `calls` were let through."""

    kind: type[BaseException]
    calls: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, block: Any = None, *_: object) -> Any:
        with self.lock:
            self.calls -= 1
            if self.calls < 0:
                raise self.kind("mine")
        return block


Make = Callable[[Trap], Graph]
PLACES: dict[str, Make] = {}


def place_of(make: Make) -> Make:
    """Add a place where user code may raise; its stage is named "mine"."""
    PLACES[make.__name__] = make
    return make


@place_of
def one_worker(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Does(trap), workers=1, name="mine") >> plus(0)


@place_of
def four_workers(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Does(trap), workers=4, name="mine") >> plus(0)


@place_of
def behind_another_map(trap: Trap) -> Graph:
    return numbers(40) >> plus(0) >> step(lambda: Does(trap), name="mine") >> step(Folds)


@place_of
def coroutine(trap: Trap) -> Graph:
    async def waits(block: Ints, call: Call) -> Ints:
        await anyio.lowlevel.checkpoint()
        return trap(block)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: DoesAsync(waits), workers=2, name="mine")


@place_of
def coroutine_that_does_not_wait(trap: Trap) -> Graph:
    async def waits(block: Ints, call: Call) -> Ints:
        return trap(block)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: DoesAsync(waits), workers=2, name="mine")


@place_of
def fl_map(trap: Trap) -> Graph:
    return batches() >> fl.map(trap).named("mine")


@place_of
def fl_map_async(trap: Trap) -> Graph:
    async def fn(batch: Any) -> Any:
        return trap(batch)

    return batches() >> fl.map(fn).named("mine")


@place_of
def fl_filter(trap: Trap) -> Graph:
    return batches() >> fl.filter(lambda batch: trap(batch) is batch).named("mine")


@place_of
def fl_filter_async(trap: Trap) -> Graph:
    async def fn(batch: Any) -> bool:
        return trap(batch) is batch

    return batches() >> fl.filter(fn).named("mine")


@place_of
def generator(trap: Trap) -> Graph:
    def make() -> Iterator[Any]:
        for k in range(40):
            yield trap({"x": np.array([k])})

    return fl.source(make).named("mine")


@place_of
def iterator(trap: Trap) -> Graph:
    if trap.kind is StopIteration:
        pytest.skip("the end of an iterator, as Python has it")

    class Walks:
        def __iter__(self) -> Iterator[Any]:
            return self

        def __next__(self) -> Any:
            return trap({"x": np.array([1])})

    return fl.source(Walks).named("mine")


@place_of
def factory(trap: Trap) -> Graph:
    trap.calls = 0
    return fl.source(lambda: trap([1, 2])).named("mine")


@place_of
def async_generator(trap: Trap) -> Graph:
    async def make() -> AsyncIterator[Any]:
        for k in range(40):
            yield trap({"x": np.array([k])})

    return fl.source(make).named("mine")


class WalksAsync:
    """An asynchronous iterator."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self.trap({"x": np.array([1])})


@place_of
def async_iterator(trap: Trap) -> Graph:
    if trap.kind is StopAsyncIteration:
        pytest.skip("the end of an asynchronous iterator, as Python has it")

    class Again:
        def __aiter__(self) -> AsyncIterator[Any]:
            return WalksAsync(trap)

    return fl.source(Again()).named("mine")


@place_of
def own_source(trap: Trap) -> Graph:
    return origin(Yields(lambda _: (trap(ints([k])) for k in range(40)))).named("mine") >> plus(0)


@place_of
def begin_of_a_pass(trap: Trap) -> Graph:
    class Begins(Yields):
        def epoch(self, number: int, call: Call) -> Iterator[Any]:
            return iter([trap(ints([1]))])

    trap.calls = 0
    return origin(Begins(lambda _: ())).named("mine")


@place_of
def push(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Folds(lambda block, _: [trap(block)]), name="mine") >> plus(0)


@place_of
def lazy_push(trap: Trap) -> Graph:
    def lazy(block: Ints, call: Call) -> Iterator[Block]:
        yield trap(block)

    return numbers(40) >> step(lambda: Folds(lazy), name="mine") >> plus(0)


@place_of
def flush(trap: Trap) -> Graph:
    trap.calls = 0
    return numbers(40) >> step(lambda: Folds(flush=lambda _: trap(())), name="mine") >> plus(0)


@place_of
def mark(trap: Trap) -> Graph:
    class Marks(Folds):
        def mark(self, mark: Mark, call: Call) -> Iterable[Block]:
            return trap(())  # type: ignore[no-any-return]

    trap.calls = 0
    return numbers(40) >> step(Marks, name="mine") >> plus(0)


@place_of
def idle(trap: Trap) -> Graph:
    class Idles(Folds):
        def idle(self, call: Call) -> Block | None:
            return trap(None)  # type: ignore[no-any-return]

    trap.calls = 0
    return numbers(40) >> step(Idles, name="mine") >> plus(0)


@place_of
def held(trap: Trap) -> Graph:
    class Holds(Folds):
        @property
        def held(self) -> int:
            return trap(0)  # type: ignore[no-any-return]

    return numbers(40) >> step(Holds, name="mine") >> plus(0)


@place_of
def length(trap: Trap) -> Graph:
    class Long(Ints):
        def __len__(self) -> int:
            return trap(1)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: Does(lambda block, _: Long(block.values)), name="mine") >> plus(0)


@place_of
def route(trap: Trap) -> Graph:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return super().route(trap(block), call)

    split = numbers(40) >> step(lambda: Routes(("a", "b")), ports=("a", "b"), name="mine")
    return split.drop("b")


@place_of
def choose(trap: Trap) -> Graph:
    class Chooses(Cycle):
        def choose(self, alive: Any) -> int:
            return super().choose(trap(alive))

    return [numbers(20), numbers(20)] >> fl.place(Junction(make=lambda: [Chooses()]), name="mine")


@place_of
def took(trap: Trap) -> Graph:
    class Takes(Cycle):
        def took(self, which: int, samples: int) -> None:
            super().took(trap(which), samples)

    return [numbers(20), numbers(20)] >> fl.place(Junction(make=lambda: [Takes()]), name="mine")


@place_of
def close(trap: Trap) -> Graph:
    class Closes(Does):
        def close(self) -> None:
            trap()

    trap.calls = 0
    return numbers(40) >> step(lambda: Closes(lambda block, _: block), name="mine") >> plus(0)


@place_of
def opening(trap: Trap) -> Graph:
    trap.calls = 0
    return numbers(40) >> step(lambda: trap(Folds()), name="mine") >> plus(0)


def batches() -> Graph:
    return fl.source([{"x": np.array([k])} for k in range(40)])
