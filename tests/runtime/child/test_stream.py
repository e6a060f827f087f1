"""The same, asynchronous: `graph.stream(process=True)`."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import flowload as fl
import flowload.runtime.child.connection as connection_module
from flowload.errors import ClosedRun, GraphError, ProcessDied
from flowload.observe.trace import Trace
from tests.runtime.child import functions
from tests.runtime.stages import step


@pytest.fixture(params=["asyncio", "trio"])
def running(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Runs a coroutine function to its end, in an event loop of its own: no thread of it is left."""
    return lambda main: anyio.run(main, backend=request.param)


def shuffled() -> fl.Graph:
    return fl.rows({"x": np.arange(40)}) >> fl.shuffle() >> fl.batch(4)


def test_it_is_not_begun_outside_of_its_block(running: Any) -> None:
    async def main() -> None:
        batches: Any = shuffled().stream(process=True)
        with pytest.raises(ClosedRun, match="inside"):
            await anext(batches)
        with pytest.raises(ClosedRun, match="has not begun"):
            batches.stats()

    running(main)


@pytest.mark.slow
def test_batches_and_states_are_those_of_a_run_in_this_process(running: Any) -> None:
    with shuffled().iterate(seed=3, epochs=2) as batches:
        wanted = [batch["x"].tolist() for batch in batches]

    async def main() -> None:
        stream: Any = shuffled().stream(seed=3, epochs=2, process=True)
        stream.record(trace := Trace())
        async with stream:
            found = [(await anext(stream))["x"].tolist() for _ in range(3)]
            state = stream.state_dict()
            assert stream.epoch == 0
            assert stream.stats().blocks_delivered == 3
            found += [batch["x"].tolist() async for batch in stream]
            assert found == wanted
            with pytest.raises(ClosedRun, match="is read once"):
                await anext(stream)
        assert trace.slices
        assert stream.epoch == 1
        assert stream.stats().finished
        with pytest.raises(ClosedRun, match="entered once"):
            await stream.__aenter__()
        async with shuffled().stream(seed=3, epochs=2, process=True, state=state) as rest:
            assert [batch["x"].tolist() async for batch in rest] == wanted[3:]

    running(main)


@pytest.mark.slow
def test_tasks_share_an_output_and_read_others(running: Any) -> None:
    left, right = (fl.rows({"x": np.arange(n)}) >> fl.batch(2) for n in (400, 300))
    found: dict[str, list[int]] = {"left": [], "right": []}

    async def main() -> None:
        async with fl.outputs(left=left, right=right).stream(process=True) as batches:

            async def read(name: str) -> None:
                async for batch in batches[name]:
                    found[name] += batch["x"].tolist()

            async with anyio.create_task_group() as group:
                for name in ("left", "left", "left", "right"):
                    group.start_soon(read, name)

    running(main)
    assert {name: sorted(each) for name, each in found.items()} == {
        "left": list(range(400)),
        "right": list(range(300)),
    }


@pytest.mark.slow
def test_who_waits_can_be_cancelled_and_holds_up_nobody(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "PATIENCE", 0.2)

    async def main() -> None:
        graph = fl.rows({"x": np.arange(40)}) >> fl.batch(4) >> fl.map(functions.waits)
        batches: Any
        async with graph.stream(process=True) as batches:
            await anext(batches)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(anext, batches)
                    while not batches.reader_waits():
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert scope.cancelled_caught
            assert not batches.reader_waits()

    running(main)


@pytest.mark.slow
def test_errors_are_raised_at_the_reader(running: Any) -> None:
    async def main() -> None:
        graph = fl.rows({"x": np.arange(40)}) >> fl.batch(4) >> fl.map(functions.divides)
        batches: Any
        async with graph.stream(process=True) as batches:
            await anext(batches)
            for _ in range(2):
                with pytest.raises(ArithmeticError, match="4 samples"):
                    await anext(batches)
        async with shuffled().stream(epochs=None, process=True) as batches:
            await anext(batches)
            os.kill(batches._connection.process.pid, signal.SIGKILL)
            with pytest.raises(ProcessDied, match="killed by SIGKILL"):
                async for _ in batches:
                    pass
        with pytest.raises(ProcessDied):
            batches.stats()

    running(main)


@pytest.mark.slow
def test_what_is_wrong_is_told_where_it_is_entered(running: Any) -> None:
    async def main() -> None:
        with pytest.raises(GraphError, match="not in this process"):
            async with (shuffled() >> step(functions.refuses)).stream(process=True):
                pass

    running(main)
