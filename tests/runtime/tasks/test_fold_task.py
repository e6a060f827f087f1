"""Folds in a run: what they make is bounded, however much that is, and an idle one gives only when asked."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import anyio
import pytest

from flowload.abc.operators import Block, Call, Mark
from flowload.graph import Graph
from flowload.runtime.channel import Channel, Cut
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.fold_task import FoldTask
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.quiet import quiet
from tests.runtime.reading import Face, Taker
from tests.runtime.stages import Folds, Ints, Yields, flat, ints, numbers, origin, plus, rebatch, step

pytestmark = pytest.mark.anyio


class Repeats(Folds):
    """Gives each block so often, lazily."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.made = 0

    def push(self, block: Ints, call: Call) -> Iterator[Ints]:
        call.opened(self.times * len(block))
        for _ in range(self.times):
            self.made += 1
            yield block


class Pool(Folds):
    """Keeps what came, and gives it again and again while nothing comes."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[int] = []
        self.given = 0

    def push(self, block: Ints, call: Call) -> Iterator[Ints]:
        self.kept += block.values.tolist()
        call.opened(0)
        return iter(())

    def idle(self, call: Call) -> Block | None:
        if not self.kept:
            return None
        self.given += 1
        call.opened(1)
        return ints([self.kept[call.number % len(self.kept)]])


def growing(*made: Any) -> Graph:
    """A source that tells what it knows and then waits for ever."""

    class Waits(Yields):
        """A folder that nobody writes to any more."""

        async def epoch(self, number: int, call: Call) -> AsyncIterator[Any]:  # type: ignore[override]  # as Source allows
            for word in super().epoch(number, call):
                yield word
            await anyio.sleep_forever()

    return origin(Waits(lambda _: [word if isinstance(word, Mark) else ints(word) for word in made]))


def test_what_a_push_makes_is_delivered_whole_however_much_it_is(face: Face) -> None:
    got = face.read(numbers(3) >> step(lambda: Repeats(50)))
    assert flat(got) == [n for n in range(3) for _ in range(50)]


def test_what_a_flush_makes_is_delivered_whole(face: Face) -> None:
    def flush(call: Call) -> Iterator[Ints]:
        call.opened(100)
        return (ints([n]) for n in range(100))

    assert flat(face.read(numbers(0) >> step(lambda: Folds(flush=flush)) >> rebatch(7))) == list(range(100))


async def test_no_more_is_made_than_the_reader_has_room_for(anyio_backend: str) -> None:
    fold = Repeats(10**9)
    async with (numbers(1) >> step(lambda: fold) >> plus(0)).stream(cpus=2) as batches:
        for n in range(1, 20):
            await anext(batches)
            await quiet(batches)
            assert fold.made < n + 20


def test_an_idle_fold_gives_while_nothing_comes(face: Face) -> None:
    pool = Pool()
    got = face.read(growing([1, 2, 3]) >> step(lambda: pool), most=30)
    assert len(got) == 30
    assert set(flat(got)) <= {1, 2, 3}
    assert pool.given < 30 + 20


async def test_an_idle_fold_is_not_asked_while_nobody_reads(anyio_backend: str) -> None:
    pool = Pool()
    async with (growing([1, 2, 3]) >> step(lambda: pool)).stream() as batches:
        await anext(batches)
        await quiet(batches)
        given = pool.given
        await anyio.wait_all_tasks_blocked()
        assert pool.given == given < 20


def test_an_idle_fold_with_nothing_to_give_waits(face: Face) -> None:
    got = face.read(numbers(5) >> step(Empty))
    assert flat(got) == list(range(5))


class Empty(Folds):
    """Never has anything to give."""

    def idle(self, call: Call) -> Block | None:
        return None


def test_folds_that_give_nothing_do_not_hold_the_end_back(face: Face) -> None:
    def swallow(block: Ints, call: Call) -> list[Block]:
        call.drop(len(block), "swallowed")
        return []

    taker = Taker()
    graph = numbers(100, 3) >> step(lambda: Folds(swallow), name="hole") >> rebatch(4)
    face.use(graph, taker)
    assert taker.got == []


def test_several_epochs_carry_over_what_is_held(face: Face) -> None:
    got = face.read(numbers(5, 2) >> rebatch(4), epochs=3)
    assert [len(batch) for batch in got] == [4, 4, 4, 3]
    assert flat(got) == list(itertools.chain(*[range(5)] * 3))


async def test_cuts_do_not_wait_for_a_fold_that_had_read_all() -> None:
    """It goes on in the midst of its flush; who writes to it would wait for room for ever."""
    monitor = Monitor(RunLock())
    member = Member(
        name="repeats",
        node="repeats",
        where="here",
        stage=numbers(1).plan.nodes[-1].stage,
        operator=Repeats(2),
        keys=(0, 0),
        lease=cast("Any", None),
    )
    way = {"word": "flush", "blocks": 0, "mark": "", "empties": True}
    now = {"fold": 0, "way": way, "number": 3, "samples": 0}
    saved = {"taken": [3], "made": 5, "epochs": [0, 0], "now": now, "surplus": [1]}
    segment = Segment(members=[member], saved=saved)
    segment.inputs = [channel] = [Channel("a", "repeats", monitor, blocks=1)]
    FoldTask(segment, monitor, cast("Any", None))
    with monitor.run_lock:
        assert [channel.try_put(Cut((number,))) for number in range(3)] == [True] * 3
    assert not len(channel)
