"""A thousand runs are opened, read and left: nothing adds up."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from flowload.abc.operators import Call
from flowload.graph import Graph
from flowload.runtime.threads.lock_probe import LockProbe
from flowload.runtime.threads.lock_times import CONSUMER
from tests.runtime.stages import Does, Ints, Yields, fan_out, in_turn, ints, origin, plus, rebatch, step

GROWTH = (
    60_000  #: bytes that runs may leave: caches of the interpreter and of anyio; a run itself has as many
)
SOME = 120
MOST = 150  #: buffers that were made


def leases(block: Ints, call: Call) -> Ints:
    memory = call.lease(80_000).view("<i8")
    memory[: len(block)] = block.values
    return Ints(memory[: len(block)])


def endless() -> Graph:
    split = origin(Yields(lambda _: (ints([n, n + 1]) for n in itertools.count()))) >> fan_out("a", "b")
    return (
        [split["a"] >> plus(1), split["b"]]
        >> in_turn()
        >> step(lambda: Does(leases), workers=2)
        >> rebatch(3)
    )


def usage() -> tuple[int, int]:
    """Threads and descriptors of this process.

    Without the files in /proc that a probe of Python's lock keeps open: it opens each when it first looks at
    a thread, which is as often as it is given a turn, and test_lock_probe.py says how many and when they go.
    """
    links = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return threading.active_count(), sum(1 for link in links if not link.startswith("/proc/"))


class Ledger:
    """Threads, descriptors and Python memory at its second entry; behind it they are to be no more."""

    def __init__(self) -> None:
        self.entries: list[tuple[tuple[int, int], int]] = []

    def enter(self) -> None:
        if not self.entries:
            tracemalloc.start()
        gc.collect()
        self.entries.append((usage(), tracemalloc.get_traced_memory()[0]))

    def check(self) -> None:
        self.enter()
        self.entries.pop(0)  # what watching itself has cost, and no run was watched from its begin
        (before, _), (after, _) = self.entries[0], self.entries[-1]
        # Fewer is no leak: a worker thread that an earlier test's event loop left may end in between.
        assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
        # What is loaded once comes in one of the stretches, what a run leaves in all of them.
        sizes = [size for _, size in self.entries]
        assert min(after - before for before, after in pairwise(sizes)) < GROWTH, sizes


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    probe = LockProbe()  # a run looks at Python's lock when it has a moment: its kernel is 22 MB of Python
    probe.look([(CONSUMER, threading.get_native_id())], 1.0)
    probe.close()
    yield Ledger()
    tracemalloc.stop()


@pytest.mark.hammer
def test_a_thousand_runs_leave_nothing(ledger: Ledger) -> None:
    graph = endless()
    for cycle in range(1000):
        with graph.iterate(seed=cycle, cpus=2) as batches:
            for batch in batches:
                assert len(batch) == 3
                break
        if cycle in (800, 810, 905):  # memory is watched from here on: watching it makes everything slow
            ledger.enter()
    ledger.check()


@pytest.mark.hammer
def test_many_runs_in_one_loop_leave_nothing(ledger: Ledger) -> None:
    graph = endless()

    async def main() -> None:
        for seed in range(SOME):
            async with graph.stream(seed=seed, cpus=2) as batches:
                await anext(batches)
            if seed in (20, 30, 75):
                ledger.enter()
        ledger.check()
        assert len(asyncio.all_tasks()) == 1

    anyio.run(main)


@pytest.mark.hammer
def test_dropped_iterators_leave_nothing(ledger: Ledger) -> None:
    graph = endless()
    for cycle in range(SOME):
        next(graph.iterate(seed=cycle, cpus=2))
        if cycle in (20, 30, 75):
            ledger.enter()
    ledger.check()


@pytest.mark.hammer
def test_failing_runs_leave_nothing(ledger: Ledger) -> None:
    def fail(block: Ints, call: Call) -> Ints:
        raise ValueError(block)

    graph = endless() >> step(lambda: Does(fail))

    def cycle() -> None:
        with graph.iterate(cpus=2) as batches:
            list(batches)

    for number in range(SOME):
        with pytest.raises(ValueError, match="Ints"):
            cycle()
        if number in (20, 30, 75):
            ledger.enter()
    ledger.check()


@pytest.mark.hammer
def test_a_long_run_takes_no_more_memory_than_a_short_one(ledger: Ledger) -> None:
    with endless().iterate(cpus=2) as batches:
        for number, _ in enumerate(batches):
            if number in (200, 210, 850):
                ledger.enter()
            if number == 1500:
                break
        # One a block would be 4,500. How many are on their way at once is how the threads were given turns.
        assert batches.stats().buffers_made < MOST
        ledger.check()
