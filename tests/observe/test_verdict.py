"""Verdicts on pipelines of known costs: the limit, the gain and the next limit, on a virtual clock."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowload.cli.view.verdict import brief, told
from flowload.observe.stations import CONSUMER, LOCK, LOOP
from flowload.observe.stats import ExecutorStats, NetworkStats, RunStats, TaskStats
from flowload.observe.verdict import Verdict, judge
from tests.observe.tandem import Stage, Tandem

from .moments import moment

BLOCKS = 400
COSTS = st.floats(0.2, 5.0)


def row(costs: list[float], workers: list[int]) -> list[Stage]:
    return [Stage(f"s{k}", cost, many) for k, (cost, many) in enumerate(zip(costs, workers, strict=True))]


def verdict_on(tandem: Tandem, blocks: int = BLOCKS) -> Verdict:
    found = judge(tandem.run(blocks))
    assert found is not None
    return found


def bounds(stages: list[Stage], consumer: float, threads: int) -> dict[str, float]:
    """Blocks a second that each would allow, worked out by hand."""
    alone = {stage.name: stage.workers / stage.cost for stage in stages}
    together = threads / sum(stage.cost for stage in stages)
    return {**alone, CONSUMER: 1 / consumer, "all": together}


def halved(stages: list[Stage], consumer: float, who: str) -> tuple[list[Stage], float]:
    faster = [replace(s, cost=s.cost / 2) if s.name == who else replace(s) for s in stages]
    return faster, consumer / 2 if who == CONSUMER else consumer


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(st.tuples(COSTS, st.integers(1, 3)), min_size=2, max_size=5), COSTS, st.integers(2, 6))
def test_the_limit_and_the_gain_are_those_of_a_simulation(
    rows: list[tuple[float, int]], consumer: float, threads: int
) -> None:
    stages = row([cost for cost, _ in rows], [workers for _, workers in rows])
    executors = {"kernel": threads}
    known = bounds(stages, consumer, threads)
    ranked = sorted(known, key=lambda name: known[name])
    assume(known[ranked[1]] > 1.1 * known[ranked[0]])

    found = verdict_on(Tandem([replace(s) for s in stages], consumer, executors, cpus=threads))
    heaviest = max(stages, key=lambda stage: stage.cost).name
    who = heaviest if ranked[0] == "all" else ranked[0]
    if ranked[0] == "all":
        assume(sorted(s.cost for s in stages)[-2] < 0.95 * max(s.cost for s in stages))
    assert found.limit.who == who

    faster = Tandem(*halved(stages, consumer, who), executors, cpus=threads)
    measured = faster.run(BLOCKS).delivered / faster.now / found.rate * 1.0
    assert found.gain == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("slow", ["s0", "s1", "s2", CONSUMER])
def test_costs_that_vary_change_neither_the_name_nor_much_of_the_gain(slow: str) -> None:
    draw = random.Random(7)
    stages, consumer = row([1.0, 1.0, 1.0], [1, 1, 1]), 1.0
    stages = [replace(stage, cost=4.0) if stage.name == slow else stage for stage in stages]
    consumer = 4.0 if slow == CONSUMER else consumer
    how: dict[str, Any] = {"threads": {"kernel": 8}, "vary": lambda: draw.expovariate(1.0), "cpus": 8}
    found = verdict_on(Tandem([replace(s) for s in stages], consumer, **how), 2000)
    assert found.limit.who == slow
    faster = Tandem(*halved(stages, consumer, slow), **how)
    assert found.gain == pytest.approx(faster.run(2000).delivered / faster.now / found.rate, rel=0.15)
    assert found.confidence in ("high", "fair")


def test_what_limits_next_is_named() -> None:
    found = verdict_on(Tandem(row([1.0, 4.0, 3.0], [1, 1, 1]), 0.5, {"kernel": 8}))
    assert (found.limit.kind, found.limit.who, found.limit.servers) == ("stage", "s1", 1)
    assert found.limit.used == pytest.approx(1.0, abs=0.02)
    assert (found.then.kind, found.then.who) == ("stage", "s2")
    assert found.gain == pytest.approx(4 / 3, rel=0.01)
    assert found.limit.demand == pytest.approx(0.04, rel=0.01)
    assert found.confidence == "high"
    assert [station.bound for station in found.stations] == sorted(s.bound for s in found.stations)


def test_threads_that_compute_are_called_cpus_and_threads_that_wait_a_lane() -> None:
    stages = row([2.0, 3.0], [4, 4])
    found = verdict_on(Tandem(stages, 0.1, {"kernel": 2}))
    assert (found.limit.kind, found.limit.name, found.limit.who) == ("cpu", "2 CPUs", "s1")
    assert found.limit.part == pytest.approx(0.6, abs=0.02)
    asleep = [replace(stage, cpu=0.1, work=0.0) for stage in row([2.0, 3.0], [4, 4])]
    found = verdict_on(Tandem(asleep, 0.1, {"kernel": 2}))
    assert (found.limit.kind, found.limit.name, found.limit.servers) == ("executor", "kernel", 2)


def test_a_stage_that_waits_while_storage_is_read_waits_for_the_disk() -> None:
    stages = [Stage("read", 2.0, 2, executor="io", cpu=0.1), Stage("encode", 0.2)]
    stats = Tandem(stages, 0.1).run(BLOCKS)
    for read, kind in ((0, "stage"), (10**9, "disk")):
        found = judge(stats._replace(storage_bytes=read))
        assert found is not None
        assert (found.limit.kind, found.limit.who) == (kind, "read")


def test_a_stage_that_waits_while_others_wait_for_a_store_waits_for_the_network() -> None:
    stages = [Stage("read", 2.0, 2, executor="io", cpu=0.1), Stage("encode", 0.2)]
    stats = Tandem(stages, 0.1).run(BLOCKS)
    for part, kind in ((0.0, "stage"), (0.2, "stage"), (0.95, "network")):
        waited = NetworkStats(10, 0, 10**9, waiting=part * stats.elapsed)
        found = judge(stats._replace(network=waited, storage_bytes=1000))
        assert found is not None
        assert (found.limit.kind, found.limit.who) == (kind, "read")
    found = judge(stats._replace(network=waited, storage_bytes=10**12))
    assert found is not None
    assert found.limit.kind == "network", "what is brought lies on a disk, too"
    assert "the network, for 'read'" in brief(found)
    assert "waits for it" in "\n".join(told(found))


def test_a_stage_that_computes_does_not_wait_for_the_network() -> None:
    stats = Tandem([Stage("read", 2.0, 2), Stage("encode", 0.2)], 0.1).run(BLOCKS)
    found = judge(stats._replace(network=NetworkStats(10, 0, 10**9, waiting=stats.elapsed)))
    assert found is not None
    assert found.limit.kind != "network"


def test_a_loop_at_its_limit_is_named() -> None:
    stats = Tandem(row([0.1, 0.1], [1, 1]), 0.1).run(BLOCKS)
    idle = tuple(task._replace(work=dict.fromkeys(task.work, 0.0001), cpu=0.0) for task in stats.tasks)
    found = judge(
        stats._replace(
            loop_time=stats.elapsed * 0.9,
            consumer_wait=stats.elapsed * 0.9,
            tasks=idle,
            cpu_time=stats.elapsed,
        )
    )
    assert found is not None
    assert (found.limit.kind, found.limit.name) == ("loop", LOOP)
    assert {station.kind for station in found.stations} == {"stage", "executor", "cpu", "loop", "consumer"}


def test_what_was_before_does_not_count() -> None:
    """The first half had another limit."""
    early = Tandem(row([5.0, 1.0], [1, 1]), 0.1).run(BLOCKS)
    late = Tandem(row([1.0, 5.0], [1, 1]), 0.1).run(BLOCKS)
    now = late._replace(
        elapsed=early.elapsed + late.elapsed,
        delivered=early.delivered + late.delivered,
        blocks_delivered=early.blocks_delivered + late.blocks_delivered,
        consumer_wait=early.consumer_wait + late.consumer_wait,
        cpu_time=early.cpu_time + late.cpu_time,
        tasks=tuple(
            b._replace(cpu=a.cpu + b.cpu, work={name: a.work[name] + b.work[name] for name in a.work})
            for a, b in zip(early.tasks, late.tasks, strict=True)
        ),
    )
    for before, who in ((None, "s0"), (early, "s1")):
        found = judge(now if before else early, before)
        assert found is not None
        assert found.limit.who == who


def test_nothing_delivered_is_no_verdict() -> None:
    assert judge(moment()) is None
    stats = Tandem(row([1.0], [1]), 1.0).run(10)
    assert judge(stats, stats) is None


@pytest.mark.parametrize(
    ("blocks", "shrink", "confidence", "why"),
    [
        (5, 1.0, "low", "only 5 batches"),
        (BLOCKS, 1e-4, "low", "only 400 batches in 0.2 s"),
    ],
)
def test_little_to_go_by_is_said(blocks: int, shrink: float, confidence: str, why: str) -> None:
    found = verdict_on(Tandem(row([4.0 * shrink], [1]), shrink), blocks)
    assert found.confidence == confidence
    assert why in found.why


def test_when_nothing_is_near_its_limit_that_is_said() -> None:
    stats = Tandem(row([1.0], [1]), 0.1).run(BLOCKS)
    found = judge(stats._replace(elapsed=stats.elapsed * 3, consumer_wait=stats.elapsed * 2.9))
    assert found is not None
    assert found.confidence == "low"
    assert "nothing is near its limit" in found.why


def locked(workers: int, *, wait: float, held: float, cost: float = 2.0) -> RunStats:
    """A run of two stages, of which the second is `workers` threads that compute in Python."""
    stages = row([0.2, cost], [1, workers])
    stats = Tandem(stages, 0.1, {"kernel": 8}, cpus=8).run(BLOCKS)
    first, second = stats.tasks
    work = sum(second.work.values())
    second = second._replace(cpu=work * (1 - wait), lock=work * wait, lock_held=stats.elapsed * held)
    return stats._replace(tasks=(first, second))


def test_two_workers_that_share_pythons_lock_are_told_so_and_not_that_more_would_help() -> None:
    # Two calls at once, each of which waits for half of its time: the lock is held all the time.
    found = judge(locked(2, wait=0.5, held=1.0))
    assert found is not None
    assert (found.limit.kind, found.limit.name, found.limit.who) == ("lock", LOCK, "s1")
    assert found.gain == pytest.approx(2.0, rel=0.15)
    words = "\n".join(told(found))
    assert "Python's lock" in words
    assert "more workers do not help" in words


def test_one_worker_in_python_is_its_own_limit_and_the_lock_is_the_next() -> None:
    found = judge(locked(1, wait=0.0, held=0.9))
    assert found is not None
    assert (found.limit.kind, found.limit.who) == ("stage", "s1")
    assert found.gain == pytest.approx(2.0, rel=0.15)


def test_what_waits_for_the_lock_is_not_blamed_for_it() -> None:
    stats = locked(1, wait=0.0, held=0.95, cost=2.0)
    first, second = stats.tasks
    work = sum(second.work.values())
    # The first stage takes as long as the second, but only because the second has the lock.
    victim = first._replace(work={"s0": work}, cpu=0.1 * work, lock=0.9 * work)
    found = judge(stats._replace(tasks=(victim, second)))
    assert found is not None
    assert found.limit.who == "s1"


def test_where_the_system_does_not_tell_there_is_no_lock() -> None:
    assert all(
        station.kind != "lock" for station in verdict_on(Tandem(row([1.0], [1]), 0.5, {"kernel": 8})).stations
    )


def test_a_short_run_gets_words_and_no_numbers() -> None:
    found = judge(Tandem(row([1.0, 4.0], [1, 1]), 0.5, {"kernel": 8}).run(3))
    assert found is not None
    assert found.short
    assert told(found) == [f"limit: too short to tell; {found.why}"]
    assert brief(found) == f"too short to tell: {found.why}"
    assert not verdict_on(Tandem(row([1.0, 4.0], [1, 1]), 0.5, {"kernel": 8})).short


def fused(kernel: float, holds: float, others: float = 0.0, *, apart: bool = True) -> RunStats:
    """Two workers that encode without Python's lock, then hold it: both stages in one job, a block in 1 s.

    The lock is never free: a block comes in `holds + others`. Who has encoded waits for it until the other
    worker gives it back, and that lies in the encoder's call.

    Args:
        kernel: seconds of CPU that encoding needs.
        holds: seconds in which the last stage has the lock.
        others: seconds in which a consumer has it.
        apart: the stages' parts were measured; else they are taken as their work is.
    """
    passed = BLOCKS * (holds + others)
    waits = 2 * (holds + others) - kernel - holds
    task = TaskStats(
        name="encode > device",
        work={"encode": BLOCKS * (kernel + waits), "device": BLOCKS * holds},
        workers=2,
        running=0,
        executor="kernel",
        cpu=BLOCKS * (kernel + holds),
        waited=0.0,
        starved=0.0,
        blocked=0.0,
        lock=BLOCKS * waits,
        lock_held=BLOCKS * holds,
    )
    if apart:
        task = task._replace(
            cpu_of={"encode": BLOCKS * kernel, "device": BLOCKS * holds},
            lock_of={"encode": BLOCKS * waits, "device": 0.0},
            lock_held_of={"encode": 0.0, "device": BLOCKS * holds},
        )
    return moment(
        elapsed=passed,
        delivered=BLOCKS,
        blocks_delivered=BLOCKS,
        consumer_wait=passed - BLOCKS * others,
        consumers_lock=BLOCKS * others,
        tasks=(task,),
        executors=(ExecutorStats("kernel", 2, 0, 0, 0, 0.0, 0.0),),
        cpus=2,
        cpu_time=BLOCKS * (kernel + holds + others),
    )


@given(kernel=st.floats(0.01, 0.2), holds=st.floats(0.5, 2.0), others=st.floats(0.0, 0.3))
def test_a_stage_that_holds_the_lock_is_told_apart_from_one_in_the_same_job_that_waits_for_it(
    kernel: float, holds: float, others: float
) -> None:
    found = judge(fused(kernel, holds, others))
    assert found is not None
    assert (found.limit.kind, found.limit.who) == ("lock", "device")
    # Twice as fast, the lock is still never free: the other worker has it for longer than encoding takes.
    assume(kernel < holds / 2)
    assert found.gain == pytest.approx((holds + others) / (holds / 2 + others), rel=0.15)
    halves = judge(fused(kernel, holds / 2, others))
    assert halves is not None
    assert found.gain == pytest.approx(halves.rate / found.rate, rel=0.15)


def test_what_a_stage_had_before_does_not_count_for_the_lock_either() -> None:
    """First the one holds it, then the other: told apart by what was gained."""
    early, late = fused(0.1, 1.0), fused(0.1, 1.0)
    (first,), (second,) = early.tasks, late.tasks
    first = first._replace(lock_held_of={"encode": first.lock_held, "device": 0.0})
    both = {name: first.lock_held_of[name] + second.lock_held_of[name] for name in first.lock_held_of}
    second = second._replace(
        work={name: 2 * seconds for name, seconds in second.work.items()},
        cpu=2 * second.cpu,
        cpu_of={name: 2 * seconds for name, seconds in second.cpu_of.items()},
        lock=2 * second.lock,
        lock_of={name: 2 * seconds for name, seconds in second.lock_of.items()},
        lock_held=2 * second.lock_held,
        lock_held_of=both,
    )
    now = late._replace(
        elapsed=2 * late.elapsed,
        delivered=2 * late.delivered,
        blocks_delivered=2 * late.blocks_delivered,
        consumer_wait=2 * late.consumer_wait,
        cpu_time=2 * late.cpu_time,
        tasks=(second,),
    )
    for before, who in ((None, "encode"), (early._replace(tasks=(first,)), "device")):
        found = judge(now if before else early._replace(tasks=(first,)), before)
        assert found is not None
        assert (found.limit.kind, found.limit.who) == ("lock", who)
