"""Calls in flight: so many at once, so many ahead, and given back in the order in which they began."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.runtime.channel import EndOfStream
from flowload.runtime.lanes import Job
from flowload.runtime.stillness import Stillness
from flowload.runtime.window import Window

pytestmark = pytest.mark.anyio


class Desk:
    """Takes jobs and does them when it is told, in any order."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.most = 0

    def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        self.most = max(self.most, len(self.jobs))

    def do(self, which: int = 0) -> None:
        job = self.jobs.pop(which)
        job.do()
        job.finish()


def window(desk: Desk, *, workers: int = 2, room: int = 3) -> Window[int]:
    return Window(desk, Stillness(), workers=workers, room=room)


def fail() -> None:
    raise ValueError("of the call")


async def test_results_come_in_the_order_of_their_calls() -> None:
    desk = Desk()
    calls = window(desk, workers=3)
    for n in range(3):
        calls.begin(n, lambda n=n: 10 * n)  # type: ignore[misc]  # bound now
    for which in (2, 0, 0):
        desk.do(which)
    assert [await calls.fetch() for _ in range(3)] == [(0, 0), (1, 10), (2, 20)]


async def test_an_entry_without_work_keeps_its_place() -> None:
    desk = Desk()
    calls = window(desk)
    calls.begin(0, lambda: "made")
    calls.begin(1, None)
    assert len(desk.jobs) == 1
    desk.do()
    assert [await calls.fetch(), await calls.fetch()] == [(0, "made"), (1, None)]


async def test_no_more_calls_run_than_there_are_workers() -> None:
    desk = Desk()
    calls = window(desk, workers=2, room=5)
    for n in range(5):
        calls.begin(n, int)
    assert (len(desk.jobs), calls.running, calls.has_room) == (2, 2, False)
    desk.do(1)  # the later one: the next begins though nothing was fetched
    assert (len(desk.jobs), calls.running) == (2, 2)
    while desk.jobs:
        desk.do()
    assert (desk.most, calls.running) == (2, 0)


async def test_there_is_room_again_when_a_call_was_fetched() -> None:
    desk = Desk()
    calls = window(desk, workers=1, room=2)
    told: list[bool] = []
    calls.made_room = lambda: told.append(calls.has_room)
    calls.begin(0, int)
    calls.begin(1, int)
    desk.do()
    assert not calls.has_room
    await calls.fetch()
    assert told == [True]


async def test_a_call_that_is_waited_for_takes_room() -> None:
    desk = Desk()
    calls = window(desk, workers=1, room=1)
    calls.begin(0, int)
    async with anyio.create_task_group() as group:
        group.start_soon(calls.fetch)
        await anyio.wait_all_tasks_blocked()
        room = [calls.has_room]
        desk.do()
        await anyio.wait_all_tasks_blocked()
        room.append(calls.has_room)
    assert room == [False, True]


async def test_an_error_is_raised_where_its_result_would_be() -> None:
    desk = Desk()
    calls = window(desk)
    calls.begin(0, int)
    calls.begin(1, fail)
    desk.do(1)
    desk.do()
    assert await calls.fetch() == (0, 0)
    with pytest.raises(ValueError, match="of the call"):
        await calls.fetch()


async def test_the_end_comes_behind_the_last_call() -> None:
    desk = Desk()
    calls = window(desk)
    calls.begin(0, int)
    calls.end()
    desk.do()
    await calls.fetch()
    with pytest.raises(EndOfStream):
        await calls.fetch()


async def test_whoever_waits_is_told_of_a_call_and_of_the_end() -> None:
    desk = Desk()
    calls = window(desk)
    got: list[Any] = []

    async def fetch() -> None:
        try:
            while True:
                got.append(await calls.fetch())
        except EndOfStream:
            got.append("end")

    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
        await anyio.wait_all_tasks_blocked()
        calls.begin(7, None)
        await anyio.wait_all_tasks_blocked()
        calls.end()
    assert got == [(7, None), "end"]


async def test_when_nobody_fetches_nothing_more_is_set_going() -> None:
    desk = Desk()
    calls = window(desk, workers=1)
    calls.begin(0, int)
    calls.begin(1, int)
    calls.leave()
    assert not calls.has_room
    desk.do()
    assert desk.jobs == []


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(0, 20),
    workers=st.integers(1, 4),
    ahead=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_doing_gives_one_order_of_results(
    count: int, workers: int, ahead: int, order: Any
) -> None:
    async def main() -> None:
        desk = Desk()
        calls = window(desk, workers=workers, room=workers + ahead)
        numbers = iter(range(count))
        got: list[Any] = []

        def begin() -> None:
            while calls.has_room and (n := next(numbers, None)) is not None:
                calls.begin(n, itertools.repeat(n).__next__)

        calls.made_room = begin
        begin()
        while len(got) < count:
            async with anyio.create_task_group() as group:
                group.start_soon(keep, calls, got)
                while desk.jobs:
                    desk.do(order.randrange(len(desk.jobs)))
        assert got == [(n, n) for n in range(count)]
        assert desk.most <= workers

    anyio.run(main)


async def keep(calls: Window[int], got: list[Any]) -> None:
    got.append(await calls.fetch())
