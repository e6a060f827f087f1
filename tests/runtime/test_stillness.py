"""Nothing can move: seen when it is so, and only then."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from flowload.graph import Graph
from flowload.runtime.stillness import Spot, Stillness
from tests.runtime.faces import Face
from tests.runtime.quiet import quiet
from tests.runtime.stages import (
    Does,
    Ints,
    Yields,
    fan_out,
    flat,
    in_turn,
    ints,
    numbers,
    origin,
    plus,
    step,
)

pytestmark = pytest.mark.anyio


class Uneven:
    """Sends the first `most` blocks to the port "a", and then one to "b"."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen = 0

    def route(self, block: Ints, call: Any) -> dict[str, Ints]:
        self.seen += 1
        return {"b" if self.seen % (self.most + 1) == 0 else "a": block}


def uneven(source: Graph, most: int) -> Graph:
    split = source >> step(lambda: Uneven(most), ports=("a", "b"))
    return [split["a"] >> plus(0), split["b"] >> plus(0)] >> in_turn()


@pytest.mark.parametrize("most", [1, 10, 100])
def test_branches_that_fill_unevenly_do_not_hang(face: Face, most: int) -> None:
    got = face.read(uneven(numbers(300), most))
    assert sorted(flat(got)) == list(range(300))


def test_two_diamonds_in_a_row_do_not_hang(face: Face) -> None:
    got = face.read(uneven(uneven(numbers(300), 20), 30))
    assert sorted(flat(got)) == list(range(300))


def test_a_diamond_in_a_diamond_does_not_hang(face: Face) -> None:
    split = numbers(300) >> step(lambda: Uneven(9), ports=("a", "b"))
    got = face.read([uneven(split["a"], 17), split["b"] >> plus(0)] >> in_turn())
    assert sorted(flat(got)) == list(range(300))


def endless() -> tuple[Yields, Graph]:
    source = Yields(lambda _: (ints([n]) for n in itertools.count()))
    return source, origin(source)


def line(source: Graph) -> Graph:
    return source >> plus(1)


def diamond(source: Graph) -> Graph:
    split = source >> fan_out("a", "b")
    return [split["a"], split["b"] >> plus(0)] >> in_turn()


@pytest.mark.parametrize("shape", [line, diamond])
async def test_a_run_that_nobody_reads_stands_still(anyio_backend: str, shape: Any) -> None:
    source, graph = endless()
    async with shape(graph).stream(cpus=2) as batches:
        run = await quiet(batches)
        made = source.made
        assert 0 < made < 50
        capacities = [edge.capacity for edge in run.stats().edges]
        for _ in range(100):
            await anext(batches)
            await quiet(batches)
        assert source.made <= 100 + made + 8  # one hop of the source more
        assert [edge.capacity for edge in run.stats().edges] == capacities


async def test_a_slow_branch_is_not_taken_for_a_still_one(anyio_backend: str) -> None:
    """While a call runs, something can move; room for the other branch would only cost memory."""
    turn = threading.Semaphore(0)

    def slow(block: Ints, call: Any) -> Ints:
        turn.acquire()
        return block

    _, graph = endless()
    split = graph >> fan_out("even", "odd")
    merged = [split["even"] >> step(lambda: Does(slow), workers=1), split["odd"]] >> in_turn()
    async with merged.stream(cpus=2) as batches:
        capacities = [edge.capacity for edge in batches.stats().edges]
        for _ in range(3):
            async with anyio.create_task_group() as group:
                group.start_soon(anext, batches)
                await anyio.wait_all_tasks_blocked()
                assert [edge.capacity for edge in batches.stats().edges] == capacities
                turn.release()
            await anext(batches)  # the odd one is there already
        turn.release(9)


def test_stillness_counts_tasks_and_who_is_parked() -> None:
    still, calls = Stillness(), []
    still.remedies.append(lambda: calls.append(1))
    still.look()
    assert not calls  # no tasks: nothing stands still
    with still.task():
        still.count(1)
        still.look()
        assert len(calls) == 1
        with still.task():
            still.look()
            assert len(calls) == 1  # one of two
        assert len(calls) == 2  # that one has gone
        still.count(-1)


async def test_a_spot_is_parked_until_it_is_woken(anyio_backend: str) -> None:
    still, calls = Stillness(), []

    def remedy() -> None:
        calls.append(1)
        spot.wake()
        spot.wake()  # once is enough

    still.remedies.append(remedy)
    with still.task():
        spot = Spot(still)
        await spot.wait()
        assert calls == [1]
        still.look()
        assert calls == [1]


def test_what_a_remedy_frees_is_delivered_in_turn(face: Face) -> None:
    def pairs(_: int) -> Iterator[Ints]:
        return (ints([n]) for n in range(6))

    got = face.read(uneven(origin(Yields(pairs)), 2))
    assert flat(got) == [0, 2, 1, 5, 3, 4]
