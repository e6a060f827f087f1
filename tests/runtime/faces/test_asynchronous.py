"""The asynchronous face: what a reader may do to it, on both event loops."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from typing import Any

import anyio
import pytest
import trio

from flowload.abc.operators import Call
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph, outputs
from tests.runtime.quiet import quiet
from tests.runtime.reading import run_threads, running_tasks
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
    Yields,
    fan_out,
    flat,
    ints,
    numbers,
    origin,
    plus,
    step,
)

pytestmark = pytest.mark.anyio


def endless() -> Graph:
    return origin(Yields(lambda _: (ints([n]) for n in itertools.count())))


class Gate:
    """A map whose calls wait until they are let through, one by one."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.entered = threading.Event()

    def __call__(self, block: Ints, call: Call) -> Ints:
        self.entered.set()
        self.turn.acquire()
        return block

    def graph(self, source: Graph) -> Graph:
        return source >> step(lambda: Does(self), workers=1)


async def test_an_outer_scope_is_cancelled() -> None:
    tasks = running_tasks()
    with anyio.CancelScope() as scope:
        async with endless().stream() as batches:
            async for batch in batches:
                if batch.values[0] == 5:
                    scope.cancel()
    assert scope.cancelled_caught
    assert run_threads() == []
    assert running_tasks() <= tasks


async def test_an_outer_scope_is_cancelled_while_the_reader_waits() -> None:
    gate = Gate()
    async with anyio.create_task_group() as group, gate.graph(endless()).stream() as batches:
        group.start_soon(let_go, gate, group.cancel_scope, batches)
        await anext(batches)
        raise AssertionError
    assert group.cancel_scope.cancelled_caught
    assert run_threads() == []


async def let_go(gate: Gate, scope: anyio.CancelScope, batches: Any) -> None:
    """Cancel the reader; the call that is under way may end then."""
    await anyio.wait_all_tasks_blocked()
    scope.cancel()
    gate.turn.release(9)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_is_cancelled_by_its_loop() -> None:
    async def read() -> None:
        async with endless().stream() as batches:
            async for _ in batches:
                started.set()

    started, tasks = asyncio.Event(), asyncio.all_tasks()
    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run_threads() == []
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_is_cancelled_again_while_it_leaves() -> None:
    gate = Gate()

    async def read() -> None:
        async with gate.graph(endless()).stream():
            await asyncio.Event().wait()

    tasks = asyncio.all_tasks()
    task = asyncio.create_task(read())
    while not gate.entered.is_set():
        await anyio.lowlevel.checkpoint()
    for _ in range(3):
        task.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not task.done()
    gate.turn.release(9)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run_threads() == []
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_wait_for_loses_no_batch() -> None:
    gate = Gate()
    got: list[Ints] = []
    async with gate.graph(numbers(20)).stream() as batches:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(batches), timeout=0)
            gate.turn.release()
            got.append(await asyncio.wait_for(anext(batches), timeout=None))
    assert flat(got) == list(range(20))


async def test_a_cancelled_wait_loses_no_batch() -> None:
    """Whenever it is cancelled: parked, or woken and not yet running."""
    gate = Gate()
    got: list[Ints] = []

    async def take(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await anext(batches))

    async with gate.graph(numbers(30)).stream() as batches:
        for turn in range(30):
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(take, scope)
                await anyio.wait_all_tasks_blocked()
                gate.turn.release()
                for _ in range(turn % 6):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        gate.turn.release(30)
        got += [batch async for batch in batches]
    assert flat(got) == list(range(30))


async def test_a_deadline_around_a_batch() -> None:
    gate = Gate()
    async with gate.graph(numbers(2)).stream() as batches:
        with pytest.raises(TimeoutError), anyio.fail_after(0):
            await anext(batches)
        gate.turn.release(2)
        assert flat([batch async for batch in batches]) == [0, 1]


async def test_two_tasks_share_one_output() -> None:
    got: list[Ints] = []

    async def read() -> None:
        got.extend([batch async for batch in batches])

    async with (numbers(50) >> plus(0)).stream() as batches, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
    assert sorted(flat(got)) == list(range(50))


async def test_two_tasks_read_two_outputs() -> None:
    got: dict[str, list[Ints]] = {}

    async def read(name: str) -> None:
        got[name] = [batch async for batch in batches[name]]

    split = numbers(40, 4) >> fan_out("even", "odd")
    graph = outputs(even=split["even"], odd=split["odd"])
    async with graph.stream() as batches, anyio.create_task_group() as group:
        group.start_soon(read, "even")
        group.start_soon(read, "odd")
    assert flat(got["even"]) == list(range(0, 40, 2))
    assert flat(got["odd"]) == list(range(1, 40, 2))


async def test_two_runs_of_one_graph_at_once() -> None:
    graph = numbers(20, 3) >> plus(1)
    async with graph.stream() as one, graph.stream() as two:
        pairs = [(await anext(one), await anext(two)) for _ in range(7)]
        assert flat(a for a, _ in pairs) == flat(b for _, b in pairs) == list(range(1, 21))


async def test_an_output_that_does_not_exist() -> None:
    async with numbers(3).stream() as batches:
        with pytest.raises(GraphError, match="no output 'train'; it has 'out'"):
            batches["train"]
        assert flat([batch async for batch in batches["out"]]) == [0, 1, 2]


async def test_several_outputs_are_read_by_name() -> None:
    async with (numbers(3) >> fan_out("a", "b")).stream() as batches:
        with pytest.raises(GraphError, match=r"iterate over run\[name\], one of 'a', 'b'"):
            await anext(batches)


async def test_a_run_is_used_inside_its_context() -> None:
    run = numbers(3).stream()
    with pytest.raises(ClosedRun, match="inside"):
        await anext(run)
    with pytest.raises(ClosedRun, match="not entered"):
        run.stats()
    async with run as batches:
        await anext(batches)
    with pytest.raises(ClosedRun, match="inside"):
        await anext(batches)
    with pytest.raises(ClosedRun, match="entered once"):
        await run.__aenter__()
    assert run.stats().delivered == 1
    assert not run.stats().finished


async def test_what_is_under_way_is_let_go_when_the_run_is_left() -> None:
    """In channels, windows and hops; also while somebody keeps the run for its statistics."""

    def leases(block: Ints, call: Call) -> Ints:
        memory = call.lease(8).view("<i8")
        memory[:] = block.values
        return Ints(memory)

    def same(block: Ints, call: Call) -> Ints:
        return block

    line = endless() >> step(lambda: Does(leases), workers=2) >> step(Folds) >> step(lambda: Does(same))
    async with (line >> step(Folds)).stream(cpus=2) as batches:
        kept = [await anext(batches) for _ in range(3)]
        await quiet(batches)
        assert batches.stats().buffers_leased > 9
    gc.collect()
    assert batches.stats().buffers_leased == 3
    assert flat(kept) == [0, 1, 2]
    kept.clear()
    assert batches.stats().buffers_leased == 0


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_ctrl_c_is_not_raised_inside_a_stage() -> None:
    protected: list[bool] = []

    async def looks(block: Ints, call: Call) -> Ints:
        protected.append(trio.lowlevel.currently_ki_protected())
        return block

    async with (endless() >> step(lambda: DoesAsync(looks))).stream() as batches:
        await anext(batches)
        assert not trio.lowlevel.currently_ki_protected()
    assert all(protected)


async def test_nothing_runs_any_more_when_the_run_was_left() -> None:
    gate = Gate()

    def push(block: Ints, call: Call) -> list[Ints]:
        return [gate(block, call)]

    graph = endless() >> step(lambda: Folds(push), name="gate")
    async with anyio.create_task_group() as group, graph.stream() as batches:
        while not gate.entered.is_set():
            await anyio.lowlevel.checkpoint()
        running = [batches.stats().stages["gate"].running]
        group.start_soon(let_go, gate, anyio.CancelScope(), batches)
    running.append(batches.stats().stages["gate"].running)
    assert running == [1, 0]


async def test_a_task_that_waits_when_the_run_is_left_is_told() -> None:
    gate = Gate()
    ended = False

    async def read() -> None:
        nonlocal ended
        assert [batch async for batch in batches] == []
        ended = True

    async with anyio.create_task_group() as group, gate.graph(endless()).stream() as batches:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        gate.turn.release(9)
    assert ended
