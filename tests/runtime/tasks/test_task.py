"""Maps and Folds moved by hand: calls are done in any order, by nobody but the test."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Message, NumberedBlock
from flowload.runtime.tasks.call_batching import KNOWN
from flowload.runtime.tasks.fold_task import LIGHT_HOPS, LIGHT_MESSAGES, MESSAGES, FoldTask
from flowload.runtime.tasks.map_task import AHEAD, MapTask
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.tasks.task import Task
from flowload.runtime.threads.executor import Job
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import Does, Folds, Ints, ints
from tests.runtime.tasks.chains.stage import members

pytestmark = pytest.mark.anyio


class Desk:
    """An executor whose jobs are done when the test says so, in any order."""

    def __init__(self, run_lock: RunLock) -> None:
        self.run_lock = run_lock
        self.jobs: list[Job] = []
        self.most = 0

    def submit(self, job: Job, *, priority: int = 0) -> Job:
        self.jobs.append(job)
        self.most = max(self.most, len(self.jobs))
        return job

    def do(self, which: int = 0) -> None:
        job = self.jobs.pop(which)
        job.do()
        with self.run_lock:
            job.finish()


class Bench:
    """One stage between two channels."""

    def __init__(self, operator: Any, *, workers: int = 2, room: int = 2) -> None:
        self.run_lock = RunLock()
        self.monitor = Monitor(self.run_lock)
        self.source = Channel("a", "b", self.monitor, blocks=99)
        self.target = Channel("b", "c", self.monitor, blocks=room)
        self.segment = Segment(
            members=members("map", operator),
            workers=workers,
            inputs=[self.source],
            outputs={"out": self.target},
        )
        self.desk = Desk(self.run_lock)
        self.task: Task = (
            MapTask(self.segment, self.monitor, self.desk.submit)
            if isinstance(operator, Does)
            else FoldTask(self.segment, self.monitor, self.desk)  # type: ignore[arg-type]  # as much of an executor as it needs
        )

    def give(self, *words: Message) -> None:
        for word in words:
            with self.run_lock:
                assert self.source.try_put(word)

    def take(self) -> Message | None:
        """The next word that comes out."""
        with self.run_lock:
            return self.target.take_now()

    def over(self) -> bool:
        """It is moved no more."""
        return self.task.over

    def taken(self) -> list[Any]:
        """Everything that comes out without another call: numbers of blocks, and marks."""
        words = iter(self.take, None)
        return [word.number if isinstance(word, NumberedBlock) else word for word in words]


def same(block: Ints, call: Any) -> Ints:
    return block


def blocks(count: int) -> list[NumberedBlock]:
    return [NumberedBlock.of(number, ints([number])) for number in range(count)]


async def test_results_are_sent_on_in_the_order_of_their_calls() -> None:
    bench = Bench(Does(same), workers=3)
    bench.give(*blocks(3))
    taken = []
    for which in (2, 0, 0):
        bench.desk.do(which)
        taken.append(bench.taken())
    assert taken == [[], [0], [1, 2]]


async def test_the_calls_of_one_trip_keep_their_order() -> None:
    bench = Bench(Does(same), workers=1, room=99)
    assert isinstance(bench.task, MapTask)
    for _ in range(KNOWN):
        bench.task._call_batching.note(0.0, 0)  # calls are known to be short: several share a trip
    bench.give(*blocks(20), Mark.EPOCH, *blocks(23)[20:])
    trips = 0
    while bench.desk.jobs:
        bench.desk.do()
        trips += 1
    assert bench.taken() == [*range(20), Mark.EPOCH, 20, 21, 22]
    assert trips < 10


async def test_a_mark_and_a_block_of_nothing_keep_their_place() -> None:
    bench = Bench(Does(same), room=9)
    bench.give(blocks(1)[0], Mark.EPOCH, NumberedBlock(1, None), Mark.CAUGHT_UP)
    assert bench.taken() == []
    bench.desk.do()
    assert bench.taken() == [0, Mark.EPOCH, 1, Mark.CAUGHT_UP]


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_what_is_begun_is_bounded_while_nobody_reads(workers: int) -> None:
    bench = Bench(Does(same), workers=workers, room=2)
    bench.give(*blocks(20))
    assert len(bench.desk.jobs) == workers
    while bench.desk.jobs:
        bench.desk.do()
    assert len(bench.target) == 2
    assert len(bench.source) == 20 - 2 - workers - AHEAD
    assert bench.segment.running == 0
    assert bench.taken() == list(range(len(bench.target) + 2 + workers + AHEAD))[: workers + AHEAD + 2]
    assert bench.desk.jobs  # there is room again


async def test_an_error_comes_where_its_result_would() -> None:
    def fails(block: Ints, call: Any) -> Ints:
        if call.number == 1:
            raise ValueError("of the call")
        return block

    bench = Bench(Does(fails), workers=3)
    bench.give(*blocks(3))
    bench.desk.do(1)
    bench.desk.do(1)
    assert not bench.over()
    bench.desk.do(0)
    assert bench.taken() == [0]
    assert bench.over()
    with pytest.raises(ValueError, match="of the call"):
        await bench.task.run()


async def test_the_end_comes_behind_the_last_call() -> None:
    bench = Bench(Does(same))
    bench.give(*blocks(1))
    bench.source.end()
    assert not bench.over()
    bench.desk.do()
    assert bench.over()
    assert bench.taken() == [0]
    assert bench.target.at_end
    await bench.task.run()


@pytest.mark.parametrize("operator", [Does(same), Folds()])
async def test_when_the_reader_has_gone_the_input_is_left(operator: Any) -> None:
    bench = Bench(operator)
    bench.give(*blocks(3))
    bench.target.leave()
    bench.desk.do()
    assert bench.source.reader_left
    assert bench.over()
    await bench.task.run()


@pytest.mark.parametrize("operator", [Does(same), Folds()])
async def test_one_that_is_stopped_begins_and_sends_nothing_more(operator: Any) -> None:
    bench = Bench(operator)
    bench.give(*blocks(5))
    with anyio.move_on_after(0):
        await bench.task.run()
    begun = len(bench.desk.jobs)
    while bench.desk.jobs:
        bench.desk.do()
    assert begun <= 2
    assert bench.taken() == []


async def test_a_sink_has_nowhere_to_send_to() -> None:
    bench = Bench(Does(lambda block, call: block if block.values[0] == 3 else None))
    bench.segment.outputs.clear()
    bench.give(*blocks(3), Mark.EPOCH)
    while bench.desk.jobs:
        bench.desk.do()
    bench.give(*blocks(4)[3:])
    while bench.desk.jobs:
        bench.desk.do()
    with pytest.raises(TypeError, match="gave a Ints, but gives\\(\\) names no output"):
        await bench.task.run()


async def test_a_fold_makes_no_more_before_what_it_made_is_sent() -> None:
    def repeats(block: Ints, call: Any) -> Any:
        return itertools.repeat(block)

    bench = Bench(Folds(repeats), room=1)
    bench.give(*blocks(1))
    bench.desk.do()
    for number in range(MESSAGES - 1):
        assert not bench.desk.jobs
        word = bench.take()
        assert isinstance(word, NumberedBlock)
        assert word.number == number
    assert len(bench.desk.jobs) == 1  # the last of a hop found room


async def test_an_idle_fold_that_gives_nothing_is_not_asked_again_before_something_comes() -> None:
    asked: list[int] = []

    class Idles(Folds):
        def idle(self, call: Any) -> Any:
            asked.append(len(asked))
            return ints([7]) if len(asked) == 2 else None

    bench = Bench(Idles(), room=9)
    with bench.run_lock:
        bench.task.schedule()
    taken = []
    for _ in range(3):
        while bench.desk.jobs and len(asked) < 20:  # it would be asked for ever
            bench.desk.do()
        taken.append((len(asked), len(bench.taken())))
        bench.give(*blocks(1))
    # Nothing at first; then the block, what it gave when it was asked again, and nothing; then once more.
    assert taken == [(1, 0), (3, 2), (4, 1)]


async def test_folds_of_little_make_more_in_a_hop_after_so_many_hops() -> None:
    def repeats(block: Ints, call: Any) -> Any:
        return itertools.repeat(block)

    bench = Bench(Folds(repeats), room=LIGHT_MESSAGES)
    bench.give(*blocks(1))
    hops = []
    for _ in range(LIGHT_HOPS + 2):
        bench.desk.do()
        hops.append(len(bench.taken()))
    assert hops == [MESSAGES] * LIGHT_HOPS + [LIGHT_MESSAGES] * 2


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("operator", [Does(same), Folds()])
async def test_waiting_is_starved_or_blocked(operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("flowload.runtime.tasks.task.perf_counter", clock)
    bench = Bench(operator, room=1, workers=1)
    segment = bench.segment
    with bench.run_lock:
        bench.task.schedule()  # it waits for its input
    clock.now = 5.0
    bench.give(*blocks(2))
    clock.now = 7.0  # a call is under way
    bench.desk.do()
    while bench.desk.jobs:
        bench.desk.do()
    clock.now = 10.0  # the second has no room
    bench.taken()
    clock.now = 20.0
    bench.source.end()
    assert (segment.starved, segment.blocked) == pytest.approx((5.0 + 10.0, 3.0))


async def test_it_is_parked_while_it_waits_and_only_then() -> None:
    bench = Bench(Does(same), room=1, workers=1)
    seen: list[bool] = []
    bench.monitor.deadlock_breakers.append(lambda: seen.append(True))

    def parked(change: Callable[[], Any]) -> bool:
        seen.clear()
        with bench.run_lock:
            change()
        with bench.run_lock:
            bench.monitor.break_deadlock()
        return bool(seen)

    with bench.monitor.task():
        states = [
            parked(bench.task.schedule),
            parked(lambda: bench.give(*blocks(2))),
            parked(bench.desk.do),
            parked(bench.desk.do),
            parked(bench.take),
        ]
    assert states == [True, False, False, True, True]


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(0, 20),
    workers=st.integers(1, 4),
    room=st.integers(1, 3),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_doing_gives_one_order_of_results(
    count: int, workers: int, room: int, order: Any
) -> None:
    async def main() -> None:
        bench = Bench(Does(same), workers=workers, room=room)
        bench.give(*blocks(count))
        bench.source.end()
        got: list[Any] = []
        with bench.run_lock:
            bench.task.schedule()
        while not bench.target.at_end:
            if bench.desk.jobs and order.random() < 0.7:
                bench.desk.do(order.randrange(len(bench.desk.jobs)))
            else:
                got += bench.taken()
        assert got == list(range(count))
        assert bench.desk.most <= workers
        await bench.task.run()

    anyio.run(main)
