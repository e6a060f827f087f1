"""Nothing can move: seen when it is so, and only then."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from flowload.graph import Graph
from flowload.runtime.observe.stats_snapshot import snapshot
from flowload.runtime.threads.monitor import Monitor, RunLock, Waiter
from tests.runtime.quiet import quiet
from tests.runtime.reading import Face
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
        capacities = [edge.capacity for edge in snapshot(run).edges]
        for _ in range(100):
            await anext(batches)
            await quiet(batches)
        assert source.made <= 100 + made + 8  # one hop of the source more
        assert [edge.capacity for edge in snapshot(run).edges] == capacities


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
    run_lock, calls = RunLock(), []
    monitor = Monitor(run_lock)
    run_lock.when_settled = monitor.break_deadlock
    monitor.deadlock_breakers.append(lambda: calls.append(1))
    with run_lock:
        pass
    assert not calls  # no tasks: nothing stands still
    with monitor.task():
        with run_lock:
            monitor.count(1)
        assert len(calls) == 1
        with monitor.task():
            assert len(calls) == 1  # one of two
        assert len(calls) == 2  # that one has gone
        with run_lock:
            monitor.count(-1)
        assert len(calls) == 2


async def test_a_spot_is_parked_until_it_is_woken(anyio_backend: str) -> None:
    run_lock, calls = RunLock(), []
    monitor = Monitor(run_lock)
    run_lock.when_settled = monitor.break_deadlock

    def breaker() -> None:
        calls.append(1)
        waiter.wake()
        waiter.wake()  # once is enough

    monitor.deadlock_breakers.append(breaker)
    with monitor.task():
        with run_lock:
            waiter = Waiter(monitor)
        await waiter.wait()
        assert calls == [1]
        with run_lock:
            pass
        assert calls == [1]


async def test_a_spot_that_is_cancelled_is_parked_no_more(anyio_backend: str) -> None:
    monitor = Monitor(RunLock())
    calls: list[int] = []
    monitor.deadlock_breakers.append(lambda: calls.append(1))
    with monitor.task():
        with monitor.run_lock:
            waiter = Waiter(monitor)
            monitor.break_deadlock()
        with anyio.move_on_after(0):
            await waiter.wait()
        monitor.break_deadlock()
    assert calls == [1]


async def test_a_spot_is_woken_from_any_thread(anyio_backend: str) -> None:
    monitor = Monitor(RunLock())
    with monitor.run_lock:
        waiter = Waiter(monitor)

    def wake() -> None:
        with monitor.run_lock:
            waiter.wake()

    thread = threading.Thread(target=wake)
    thread.start()
    await waiter.wait()
    thread.join()


def test_what_is_due_is_done_before_the_lock_is_given_up_and_never_within() -> None:
    run_lock = RunLock()
    log: list[str] = []

    def first() -> None:
        with run_lock:  # no end of the outermost: nothing is done here
            run_lock.defer(lambda: log.append("second"))
        log.append("first")

    with run_lock:
        run_lock.defer(first)
        log.append("begun")
    assert log == ["begun", "first", "second"]


def test_a_chain_of_any_length_needs_no_deeper_stack() -> None:
    run_lock = RunLock()
    left = [100_000]

    def step_on() -> None:
        left[0] -= 1
        if left[0]:
            with run_lock:
                run_lock.defer(step_on)

    with run_lock:
        run_lock.defer(step_on)
    assert left == [0]


def test_one_thread_at_a_time() -> None:
    run_lock = RunLock()
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(300):
            with run_lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 1200


def test_an_error_in_between_gives_the_lock_up() -> None:
    run_lock = RunLock()
    with pytest.raises(ValueError, match="x"), run_lock:
        raise ValueError("x")
    entered: list[int] = []

    def enter() -> None:
        with run_lock:
            entered.append(1)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [1]


def test_what_a_remedy_frees_is_delivered_in_turn(face: Face) -> None:
    def pairs(_: int) -> Iterator[Ints]:
        return (ints([n]) for n in range(6))

    got = face.read(uneven(origin(Yields(pairs)), 2))
    assert flat(got) == [0, 2, 1, 5, 3, 4]
