"""When an operator that has room for few is held back, and told to count no more what is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Block, Mark
from flowload.abc.powers import Paced
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.tasks.pacing import Pacing, segments_behind
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import ints

pytestmark = pytest.mark.anyio


class Few:
    """Has room for some blocks."""

    def __init__(self, room: int) -> None:
        self.free = room
        self.asked: list[Block] = []
        self.begun: list[Block] = []
        self.relieved = 0
        self.moved: Callable[[], object] = list
        self.meanwhile: Callable[[], object] = list  #: what another thread does while it answers

    def room(self, block: Block) -> bool:
        self.asked.append(block)
        free = self.free > 0
        self.meanwhile()
        return free

    def began(self, block: Block) -> None:
        self.begun.append(block)

    def watch(self, moved: Callable[[], None]) -> None:
        self.moved = moved

    def relieve(self) -> None:
        self.relieved += 1
        self.free += 1


class Bench:
    """An operator's segment, one behind it, and an output."""

    def __init__(self, room: int = 0) -> None:
        self.run_lock = RunLock()
        self.monitor = Monitor(self.run_lock)
        self.before, self.between, self.output = (Channel("a", "b", self.monitor) for _ in range(3))
        self.own = Segment(members=[], inputs=[self.before], outputs={"out": self.between})
        self.behind = Segment(members=[], inputs=[self.between], outputs={"out": self.output})
        self.few, self.told = Few(room), 0
        self.came = anyio.Event()
        self.hungry = True
        self.output.reader_waits = lambda: self.hungry
        self.pacing = Pacing(self.few, self.own, [self.output], [self.behind], self.run_lock, self.tell)

    def tell(self) -> None:
        self.told += 1
        self.came.set()

    def waits(self, *words: Any) -> None:
        """These words wait before the operator."""
        with self.run_lock:
            for word in words:
                assert self.before.try_put(word)

    def relieved(self, how: str = "relieve") -> bool:
        """Whether a look relieves it."""
        with self.run_lock:
            self.pacing.holds_back()
            getattr(self.pacing, how)()
        return bool(self.few.relieved)


BLOCK = NumberedBlock(0, ints([1]), 8, 1)


async def test_what_it_is() -> None:
    assert isinstance(Few(0), Paced)


async def test_only_a_block_is_asked_about_and_the_next_one() -> None:
    bench = Bench()
    with bench.run_lock:
        assert not bench.pacing.holds_back()
    bench.waits(Mark.EPOCH, BLOCK)
    with bench.run_lock:
        assert not bench.pacing.holds_back()
        bench.before.take_now()
        assert bench.pacing.holds_back()
        bench.few.free = 1
        assert not bench.pacing.holds_back()
    assert [block is BLOCK.block for block in bench.few.asked] == [True, True]


async def test_what_comes_back_while_it_holds_back_has_it_look_again_in_the_loop() -> None:
    bench = Bench()
    bench.waits(BLOCK)
    with bench.run_lock:
        bench.pacing.holds_back()
    bench.few.moved()
    assert not bench.came.is_set()  # not here: whoever gives something back may hold any lock
    with anyio.fail_after(20):
        await bench.came.wait()


async def test_what_comes_back_while_the_answer_is_found_is_not_missed() -> None:
    bench = Bench()
    bench.few.meanwhile = bench.few.moved
    bench.waits(BLOCK)
    with bench.run_lock:
        bench.pacing.holds_back()
    with anyio.fail_after(20):
        await bench.came.wait()


async def test_nobody_is_woken_where_nothing_waits() -> None:
    bench = Bench(room=1)
    bench.waits(BLOCK)
    with bench.run_lock:
        assert not bench.pacing.holds_back()
    bench.few.moved()
    await anyio.wait_all_tasks_blocked()
    await anyio.wait_all_tasks_blocked()
    assert not bench.told


async def test_a_reader_that_waits_in_vain_relieves_it() -> None:
    bench = Bench()
    bench.waits(BLOCK)
    assert bench.relieved()
    assert bench.told == 1
    assert not bench.pacing.held


def reader_is_busy(bench: Bench) -> None:
    bench.hungry = False


def runs(bench: Bench) -> None:
    bench.own.running = 1


def runs_behind(bench: Bench) -> None:
    bench.behind.running = 1


def waits_behind(bench: Bench) -> None:
    bench.between.try_put(BLOCK)


def lies_ready(bench: Bench) -> None:
    bench.output.try_put(BLOCK)


def sends(bench: Bench) -> None:
    bench.pacing.sends = True


@pytest.mark.parametrize("why", [reader_is_busy, runs, runs_behind, waits_behind, lies_ready, sends])
async def test_nor_where_something_may_still_come(why: Callable[[Bench], None]) -> None:
    bench = Bench()
    bench.waits(BLOCK)
    with bench.run_lock:
        why(bench)
    assert not bench.relieved()
    assert not bench.told


async def test_what_came_back_meanwhile_needs_no_relief() -> None:
    bench = Bench()
    bench.waits(BLOCK)
    with bench.run_lock:
        bench.pacing.holds_back()
        bench.few.free = 1
        bench.pacing.relieve()
    assert not bench.few.relieved
    assert bench.told == 1


async def test_where_it_has_room_nothing_is_to_relieve() -> None:
    bench = Bench(room=1)
    bench.waits(BLOCK)
    assert not bench.relieved()


@pytest.mark.parametrize(
    ("why", "relieved"),
    [
        (waits_behind, True),
        (runs_behind, True),
        (sends, False),
        (reader_is_busy, False),
        (lies_ready, False),
    ],
)
async def test_where_all_stands_still_what_is_on_its_way_does_not_come(
    why: Callable[[Bench], None], relieved: bool
) -> None:
    bench = Bench()
    bench.waits(BLOCK)
    with bench.run_lock:
        why(bench)
    assert bench.relieved("relieve_where_all_stands_still") == relieved


async def test_all_that_a_block_may_come_to_is_behind() -> None:
    monitor = Monitor(RunLock())
    a, b, c, d, e = (Channel(name, "", monitor) for name in "abcde")
    first = Segment(members=[], inputs=[a], outputs={"x": b, "y": c})
    left = Segment(members=[], inputs=[b], outputs={"out": d})
    last = Segment(members=[], inputs=[c, d], outputs={"out": e})
    assert [id(each) for each in segments_behind(first, [first, last, left])] == [id(last), id(left)]
    assert [id(each) for each in segments_behind(left, [first, last, left])] == [id(last)]
    assert segments_behind(last, [first, last, left]) == []


async def test_an_operator_is_asked_again_only_when_something_came_back() -> None:
    bench = Bench()
    bench.waits(NumberedBlock.of(0, ints([1])))
    with bench.run_lock:
        assert bench.pacing.holds_back()
        assert not any(bench.pacing.came_back() for _ in range(9))
    assert len(bench.few.asked) == 1  # the lock is released for every block of the run
    bench.few.free = 1
    bench.few.moved()
    with bench.run_lock:
        assert bench.pacing.came_back()
        assert len(bench.few.asked) == 2
        assert not bench.pacing.came_back()
