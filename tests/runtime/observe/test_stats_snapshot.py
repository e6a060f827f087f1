"""What a run says of itself: while it runs, when it is over, and from any thread."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowload.abc.operators import Call
from flowload.graph import Graph
from flowload.observe.stats import RunStats
from tests.runtime.quiet import quiet
from tests.runtime.reading import Face, Taker
from tests.runtime.stages import (
    Does,
    Folds,
    Ints,
    Rebatches,
    Yields,
    fan_out,
    in_turn,
    ints,
    numbers,
    origin,
    plus,
    rebatch,
    step,
)
from tests.threads import give_way


class Opens(Folds):
    """Takes boxes, and gives what is in them: three of each, of which one is broken."""

    def push(self, block: Ints, call: Call) -> list[Any]:
        call.opened(3 * len(block))
        call.drop(len(block), "broken")
        return [ints([value, value]) for value in block.values.tolist()]


def final(face: Face, graph: Graph, **how: Any) -> RunStats:
    taker = Taker()
    face.use(graph, taker, **how)
    stats = taker.run.stats()
    assert isinstance(stats, RunStats)
    return stats


def test_a_stage_is_counted_in_the_unit_of_its_output(face: Face) -> None:
    stats = final(face, numbers(10, 5) >> step(Opens, name="open") >> rebatch(7, name="cut"))
    first, opened, cut = stats.stages.values()
    assert (first.in_, first.out, first.blocks_out, first.bytes_out) == (10, 10, 2, 80)
    assert (opened.in_, opened.out, opened.dropped, opened.blocks_in, opened.blocks_out) == (
        30,
        20,
        {"broken": 10},
        2,
        10,
    )
    assert (cut.in_, cut.out, cut.blocks_in, cut.blocks_out) == (20, 20, 10, 3)
    assert list(stats.stages) == ["origin", "open", "cut"]


def test_a_stage_of_several_operators_is_one_row_that_balances(face: Face) -> None:
    """Boxes are cut into blocks, then opened; half of the boxes are lost before."""

    def halves(block: Ints, call: Call) -> Ints:
        call.drop(len(block) // 2, "too many")
        return block.select(slice(len(block) // 2, None))

    graph = numbers(40, 8) >> step(lambda: Does(halves), lambda: Rebatches(3), Opens, name="all")
    stage = final(face, graph).stages["all"]
    assert (stage.out, stage.dropped) == (40, {"too many": 20, "broken": 20})
    assert stage.in_ == stage.out + sum(stage.dropped.values()) + stage.held == 80
    assert (stage.blocks_in, stage.blocks_out) == (5, 20)


@pytest.mark.anyio
async def test_what_is_held_and_what_waits_is_seen_while_it_runs(anyio_backend: str) -> None:
    graph = numbers(1000, 2) >> rebatch(7, name="cut")
    async with graph.stream(cpus=2) as batches:
        await anext(batches)
        await quiet(batches)
        stats = batches.stats()
        assert stats.stages["cut"].held == stats.stages["cut"].in_ - stats.stages["cut"].out > 0
        edge, output = stats.edges
        assert (edge.source, edge.target, edge.capacity, edge.blocks) == ("origin", "cut", 2, 2)
        assert (output.source, output.target, output.capacity) == ("cut", "output 'out'", 1)
        assert (output.blocks, output.nbytes) == (1, 56)
        assert stats.delivered == 7
        assert not stats.finished
        assert json.loads(json.dumps(stats.as_json()))["delivered"] == 7


def test_time_is_accounted_for(face: Face) -> None:
    took: list[float] = []

    def works(block: Ints, call: Call) -> Ints:
        began = perf_counter()
        give_way(200)
        took.append(perf_counter() - began)
        return block

    stats = final(
        face, numbers(20) >> step(lambda: Does(works), workers=2, name="slow") >> plus(0, workers=1), cpus=2
    )
    slow = stats.stages["slow"]
    assert slow.busy >= sum(took)
    assert slow.service == pytest.approx(slow.busy / 20)
    assert slow.workers == 2
    assert stats.stages["origin"].blocked > 0
    assert stats.stages["step"].starved > 0
    assert stats.elapsed >= sum(took) / 2
    assert stats.consumer_wait > 0
    assert 0 < stats.loop_time < 60
    assert slow.rate_overall > 0


class Measures(Does):
    """Says how often it was called."""

    calls = 0

    def apply(self, block: Ints, call: Call) -> Any:
        self.calls += 1
        return super().apply(block, call)

    def gauges(self) -> dict[str, float]:
        return {"calls": float(self.calls)}


def test_what_operators_measure_is_shown(face: Face) -> None:
    def same(block: Ints, call: Call) -> Ints:
        return block

    stats = final(face, numbers(50, 5) >> step(lambda: Measures(same), workers=1, name="own") >> plus(0))
    assert stats.stages["own"].gauges == {"calls": 10.0}
    assert stats.stages["step"].gauges == {}


def test_buffers_are_counted(face: Face) -> None:
    def leases(block: Ints, call: Call) -> Ints:
        memory = call.lease(8 * len(block)).view("<i8")
        memory[:] = block.values
        return Ints(memory)

    taker = Taker()
    face.use(numbers(50, 5) >> step(lambda: Does(leases)), taker)
    stats = taker.run.stats()
    assert stats.buffers_leased == stats.buffers_made == len(taker.got) == 10
    assert stats.buffer_bytes >= 10 * 40
    taker.got.clear()
    assert taker.run.stats().buffers_leased == 0


def test_it_may_be_asked_from_any_thread_while_it_runs() -> None:
    """Reasons come up while they are counted together."""

    def drops(block: Ints, call: Call) -> Ints:
        call.drop(1, f"reason {call.number}")
        return block.select(slice(1, None))

    asked: list[RunStats] = []
    over = threading.Event()
    split = (
        numbers(1200, 6) >> step(lambda: Does(drops), lambda: Does(drops), name="drops") >> fan_out("a", "b")
    )
    graph = [split["a"], split["b"] >> plus(0)] >> in_turn()

    def ask() -> None:
        while not over.is_set():
            asked.append(batches.stats())

    with graph.iterate(cpus=2) as batches:
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        count = sum(len(batch) for batch in batches)
        over.set()
        for thread in threads:
            thread.join()
    assert count == 800
    assert asked
    last = batches.stats().stages["drops"]
    assert (last.in_, sum(last.dropped.values()), len(last.dropped)) == (1200, 400, 200)
    for stats in asked:
        assert all(0 <= stage.in_ <= 1200 for stage in stats.stages.values())


def test_a_finished_run_says_the_same_for_ever(face: Face) -> None:
    taker = Taker()
    face.use(numbers(50, 5) >> rebatch(3), taker)
    one, two = taker.run.stats(), taker.run.stats()
    assert one.finished
    for name in ("elapsed", "delivered", "blocks_delivered", "consumer_wait", "loop_time", "seed"):
        assert getattr(one, name) == getattr(two, name)
    assert one.seed == 0
    assert one.blocks_delivered == 17


def test_service_times_bytes_in_and_tasks(face: Face) -> None:
    graph = numbers(40, 2) >> plus(1, workers=2, name="one") >> plus(1, workers=2, name="two") >> rebatch(8)
    stats = final(face, graph, cpus=2)
    one, two, cut = (stats.stages[name] for name in ("one", "two", "step"))
    assert (one.bytes_in, two.bytes_in, cut.bytes_in, cut.bytes_out) == (320, 320, 320, 320)
    assert (one.calls, one.executor) == (20, "kernel")
    assert 0 < one.p50 <= one.p95 <= one.longest <= one.busy
    assert 0 < one.cpu <= one.busy
    origin, maps, fold = stats.tasks
    assert (maps.name, list(maps.work), maps.workers) == ("one > two", ["one", "two"], 2)
    assert (origin.executor, fold.executor, fold.workers) == ("io", "kernel", 1)
    assert {executor.name: executor.done for executor in stats.executors}["kernel"] > 20
    assert stats.stages["origin"].bytes_in == 0
    assert stats.cpus == 2
    assert 0 < stats.cpu_time < 60


def test_queues_count_what_went_through_and_how_deep_they_were(face: Face) -> None:
    stats = final(face, numbers(40, 2) >> rebatch(8))
    first, last = stats.edges
    assert (first.passed, first.samples, first.passed_bytes) == (20, 40, 320)
    assert (last.passed, last.samples) == (5, 40)
    assert 0 <= first.mean <= first.capacity
    assert 0 <= first.p95 <= first.capacity


@pytest.mark.anyio
async def test_calls_that_run_now_are_counted_where_they_run(anyio_backend: str) -> None:
    at_work, over = threading.Barrier(3), threading.Event()

    def waits(block: Ints, call: Call) -> Ints:
        at_work.wait()
        over.wait()
        return block

    async with (numbers(2) >> step(lambda: Does(waits), workers=2, name="slow")).stream(cpus=2) as batches:
        try:
            await anyio.to_thread.run_sync(at_work.wait)
            stats = batches.stats()
        finally:
            over.set()
        assert stats.stages["slow"].running == stats.tasks[-1].running == 2
        assert {executor.name: executor.running for executor in stats.executors}["kernel"] == 2
        assert stats.stages["slow"].busy == 0.0, "no call is over"
        assert stats.tasks[-1].work["slow"] > 0.0, "but two are under way"
        assert [len(batch) async for batch in batches] == [1, 1]
        assert batches.stats().stages["slow"].running == 0


@pytest.mark.anyio
async def test_waits_that_are_not_over_count(anyio_backend: str) -> None:
    """Nothing run_lock, and time goes by."""
    free = anyio.Event()

    class Slow(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return self.blocks()

        async def blocks(self) -> AsyncIterator[Ints]:
            yield ints([1])
            await free.wait()

    graph = origin(Slow(lambda _: ())) >> plus(0, workers=2, name="map") >> rebatch(1, name="cut")
    async with graph.stream(cpus=2) as batches:
        await anext(batches)
        await quiet(batches)
        one, two = batches.stats(), batches.stats()
        free.set()
        for name in ("map", "cut"):
            passed = two.stages[name].starved - one.stages[name].starved
            assert passed == pytest.approx(two.elapsed - one.elapsed, abs=0.01)
            assert passed > 0
        assert [len(batch) async for batch in batches] == []
        over = batches.stats()
    assert batches.stats().stages["map"].starved == over.stages["map"].starved


@pytest.mark.anyio
async def test_room_that_is_waited_for_counts(anyio_backend: str) -> None:
    async with (numbers(100) >> rebatch(2, name="cut")).stream() as batches:
        await anext(batches)
        await quiet(batches)
        one, two = batches.stats(), batches.stats()
    assert two.stages["cut"].blocked > one.stages["cut"].blocked
    assert two.stages["origin"].blocked > one.stages["origin"].blocked
