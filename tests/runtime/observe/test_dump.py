"""Who holds a run: found in the frames of its threads and coroutines, without their help."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowload.abc.operators import Block, Call
from flowload.graph import Graph
from flowload.observe.stall import Dump
from tests.runtime.quiet import quiet
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
    Yields,
    numbers,
    origin,
    plus,
    rebatch,
    step,
)

pytestmark = pytest.mark.anyio


class Holds:
    """What a stage of a test calls to be stuck at its third block."""

    def __init__(self) -> None:
        self.stuck, self.free = threading.Event(), threading.Event()

    def wait_here(self, number: int) -> None:
        if number == 2:
            self.stuck.set()
            self.free.wait()


@dataclass(frozen=True)
class Told(Ints):
    """Numbers that say where they are from."""

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(f"/data/{value}.tar" for value in self.values)


def told(block: Ints, call: Call) -> Told:
    return Told(block.values)


def in_a_map(holds: Holds) -> Graph:
    def slow(block: Ints, call: Call) -> Ints:
        holds.wait_here(call.number)
        return block

    return numbers(8, 2) >> step(lambda: Does(told), workers=1) >> step(lambda: Does(slow), name="slow")


def in_a_fold(holds: Holds) -> Graph:
    def push(block: Ints, call: Call) -> Iterator[Block]:
        holds.wait_here(call.number)
        yield block

    return numbers(8, 2) >> step(lambda: Does(told)) >> step(lambda: Folds(push), name="slow")


def in_a_source(holds: Holds) -> Graph:
    def make(_: int) -> Iterator[Ints]:
        for number in range(4):
            holds.wait_here(number)
            yield from ()

    return origin(Yields(make)) >> plus(0, name="slow")


async def dump_of(graph: Graph, holds: Holds) -> Dump:
    async with graph.stream(cpus=2) as batches, anyio.create_task_group() as group:
        group.start_soon(partial(drain, batches))
        await anyio.to_thread.run_sync(holds.stuck.wait)
        found = batches.dump()
        holds.free.set()
    assert isinstance(found, Dump)
    return found


async def drain(batches: Any) -> None:
    async for _ in batches:
        pass


@pytest.mark.parametrize("make", [in_a_map, in_a_fold])
async def test_stage_block_source_and_stack_are_told(
    make: Callable[[Holds], Graph], anyio_backend: str
) -> None:
    found = await dump_of(make(holds := Holds()), holds)
    held = found.calls[0]
    assert (held.stage, held.block, held.thread[:-1]) == ("slow", 2, "flowload-kernel-")
    assert held.source == "/data/4.tar, /data/5.tar"
    assert any("wait_here" in entry for entry in held.stack)
    assert "flowload/runtime" not in held.stack[0]
    assert held.seconds > 0
    assert found.headline.startswith("'slow' is busy with block 2 of /data/4.tar")


async def test_a_source_is_told(anyio_backend: str) -> None:
    found = await dump_of(in_a_source(holds := Holds()), holds)
    assert found.calls[0].stage == "origin"
    assert found.calls[0].thread.startswith("flowload-io")
    assert "slow: no input from origin" in found.tasks


async def test_a_route_is_told(anyio_backend: str) -> None:
    holds = Holds()

    class Stuck:
        def route(self, block: Ints, call: Call) -> dict[str, Block]:
            holds.wait_here(call.number)
            return {"out": block}

    found = await dump_of(numbers(8) >> step(Stuck, name="way"), holds)
    assert (found.calls[0].stage, found.calls[0].block) == ("way", 2)


async def test_a_coroutine_is_told_with_what_it_waits_for(anyio_backend: str) -> None:
    waiting, free = anyio.Event(), anyio.Event()

    async def deeper() -> None:
        waiting.set()
        await free.wait()

    async def slow(block: Ints, call: Call) -> Ints:
        if call.number == 1:
            await deeper()
        return block

    async with (numbers(3) >> step(lambda: DoesAsync(slow), workers=1, name="slow")).stream() as batches:
        assert len(await anext(batches)) == 1
        await waiting.wait()
        held = batches.dump().calls[0]
        free.set()
        assert [len(batch) async for batch in batches] == [1, 1]
        assert batches.dump().calls == ()
    assert (held.stage, held.block, held.thread) == ("slow", 1, "the event loop")
    assert any("deeper" in line for line in held.stack)


async def test_a_consumer_that_does_not_come_is_told(anyio_backend: str) -> None:
    async with (numbers(100) >> rebatch(2, name="cut")).stream() as batches:
        await anext(batches)
        await quiet(batches)
        found = batches.dump()
    assert found.headline == "nobody takes the batches of output 'out': 1 wait"
    assert "cut: no room for output 'out': 1 of 1 blocks wait" in found.tasks
    assert "origin: no room for cut: 2 of 2 blocks wait" in found.tasks


def test_it_may_be_asked_of_a_synchronous_run_and_after_it() -> None:
    with numbers(4).iterate() as batches:
        next(batches)
        assert isinstance(batches.dump(), Dump)
    assert batches.dump().calls == ()
