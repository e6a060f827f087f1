"""A channel between two tasks: bounded, ended by a closed door, and cancelled at any point without loss."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio
import pytest

from flowload.abc.operators import Mark
from flowload.runtime import channel as channel_module
from flowload.runtime.channel import Channel, EndOfStream, Message, NumberedBlock, ReaderGone
from flowload.runtime.threads.monitor import Monitor, RunLock, Waiter
from tests.runtime.stages import Ints, ints

pytestmark = pytest.mark.anyio


def channel(**bounds: int) -> Channel:
    return Channel("a", "b", Monitor(RunLock()), **bounds)


def item(number: int, size: int = 1) -> NumberedBlock:
    return NumberedBlock.of(number, ints(range(size)))


async def parks(work: Callable[[], Awaitable[Any]]) -> bool:
    """Whether it waits; it is cancelled then."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(stop_when_still, scope)
            await work()
            group.cancel_scope.cancel()
    return scope.cancelled_caught


async def stop_when_still(scope: anyio.CancelScope) -> None:
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


async def test_words_come_out_in_order() -> None:
    line = channel(blocks=9)
    words: list[Message] = [item(0), Mark.EPOCH, item(1), NumberedBlock(2, None), Mark.CAUGHT_UP]
    for word in words:
        await line.put(word)
    assert (len(line), line.nbytes) == (5, 16)
    assert [await line.take() for _ in words] == words
    assert (len(line), line.nbytes) == (0, 0)
    assert line.take_now() is None


async def test_it_is_full_by_blocks() -> None:
    line = channel(blocks=2)
    await line.put(item(0))
    await line.put(item(1))
    assert await parks(lambda: line.put(item(2)))
    assert len(line) == 2
    line.take_now()
    assert not await parks(lambda: line.put(item(2)))
    line.grow()
    assert not await parks(lambda: line.put(item(3)))
    assert await parks(lambda: line.put(item(4)))


async def test_it_is_full_by_bytes_and_one_block_always_fits() -> None:
    line = channel(blocks=9, nbytes=100)
    await line.put(item(0, size=1000))
    assert await parks(lambda: line.put(item(1)))
    line.take_now()
    await line.put(item(1, size=6))
    await line.put(item(2, size=6))
    assert await parks(lambda: line.put(item(3)))
    assert line.nbytes == 96


async def test_a_writer_goes_on_when_there_is_room() -> None:
    line = channel(blocks=1)
    got = []
    async with anyio.create_task_group() as group:
        group.start_soon(write, line, 20)
        await anyio.wait_all_tasks_blocked()
        assert line.writer_waits
        while True:
            try:
                got.append(await line.take())
            except EndOfStream:
                break
            assert len(line) <= 1
    assert [word.number for word in got if isinstance(word, NumberedBlock)] == list(range(20))
    assert not line.writer_waits


async def write(line: Channel, count: int) -> None:
    for number in range(count):
        await line.put(item(number))
    line.end()


async def test_an_end_comes_behind_what_was_written_and_stays() -> None:
    line = channel()
    await line.put(item(0))
    ends = [line.at_end]
    line.end()
    ends.append(line.at_end)
    await line.take()
    ends.append(line.at_end)
    assert ends == [False, False, True]
    for _ in range(2):
        with pytest.raises(EndOfStream):
            await line.take()


async def test_a_reader_that_waits_is_told_of_the_end() -> None:
    line = channel()
    async with anyio.create_task_group() as group:
        group.start_soon(end_when_still, line)
        with pytest.raises(EndOfStream):
            await line.take()


async def end_when_still(line: Channel) -> None:
    await anyio.wait_all_tasks_blocked()
    line.end()


async def test_a_writer_that_waits_is_told_that_its_reader_has_gone() -> None:
    line = channel(blocks=1)
    await line.put(item(0))
    async with anyio.create_task_group() as group:
        group.start_soon(leave_when_still, line)
        with pytest.raises(ReaderGone):
            await line.put(item(1))
    assert (len(line), line.nbytes) == (0, 0)
    with pytest.raises(ReaderGone):
        await line.put(item(2))


async def leave_when_still(line: Channel) -> None:
    await anyio.wait_all_tasks_blocked()
    line.leave()


async def test_a_broken_stream_lets_go_of_what_waits() -> None:
    line = channel()
    await line.put(item(0))
    line.fail()
    assert (len(line), line.nbytes) == (0, 0)
    with pytest.raises(EndOfStream):
        await line.take()


async def test_whoever_is_cancelled_takes_nothing_away() -> None:
    line = channel(blocks=1)
    assert await parks(line.take)
    await line.put(item(0))
    assert await parks(lambda: line.put(item(1)))
    assert not line.writer_waits
    taken = await line.take()
    assert isinstance(taken, NumberedBlock)
    assert taken.number == 0
    assert line.take_now() is None


async def test_of_several_readers_each_takes_the_next() -> None:
    line = channel()
    got: list[Message] = []

    async def read() -> None:
        try:
            while True:
                got.append(await line.take())
                await anyio.lowlevel.checkpoint()
        except EndOfStream:
            pass

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(write, line, 30)
    assert [word.number for word in got if isinstance(word, NumberedBlock)] == list(range(30))


async def test_whoever_is_told_finds_a_word_or_the_end() -> None:
    line = channel()
    seen: list[Any] = []
    line.notify_reader = lambda: seen.append("end" if line.at_end else line.take_now())
    await line.put(Mark.EPOCH)
    await line.put(item(0))
    line.end()
    assert [type(word) for word in seen] == [Mark, NumberedBlock, str]


async def test_a_writer_is_told_of_room_and_of_its_reader_leaving() -> None:
    line = channel(blocks=1)
    seen: list[bool] = []
    line.notify_writer = lambda: seen.append(line.reader_left)
    puts = [line.try_put(item(0)), line.try_put(item(1))]
    waits = [line.writer_waits]
    line.take_now()
    line.grow()
    puts.append(line.try_put(item(1)))
    waits.append(line.writer_waits)
    assert (puts, waits) == ([True, False, True], [True, False])
    line.leave()
    assert seen == [False, False, True]
    with pytest.raises(ReaderGone):
        line.try_put(item(2))


async def test_many_threads_write_and_read() -> None:
    """Nothing is lost, doubled or stuck when the writer is in a thread and the reader in the loop."""
    line = channel(blocks=2)

    def write_all() -> None:
        for number in range(200):
            while not put(item(number)):
                pass
        line.end()

    def put(word: Message) -> bool:
        with line.monitor.run_lock:
            return line.try_put(word)

    writer = threading.Thread(target=write_all)
    writer.start()
    got = [await line.take() for _ in range(200)]
    with pytest.raises(EndOfStream):
        await line.take()
    writer.join()
    assert [word.number for word in got if isinstance(word, NumberedBlock)] == list(range(200))


async def test_every_reader_is_woken_while_one_of_them_goes() -> None:
    """A thread goes through the readers that wait, and the loop takes one of them away meanwhile."""
    line = channel()
    with line.monitor.run_lock:
        first, second = Waiter(line.monitor), Waiter(line.monitor)

    class Goes(Waiter):
        """Stands for a reader whose task runs as soon as it is woken."""

        def __init__(self) -> None:
            pass

        def wake(self) -> None:
            first.wake()
            line._waiting_readers.remove(self)

    line._waiting_readers += [Goes(), second]
    with line.monitor.run_lock:
        line.try_put(item(0))
    assert first._woken
    assert second._woken


async def test_whoever_waited_takes_itself_off_the_list_inside_the_lock() -> None:
    line = channel(blocks=1)
    inside: list[bool] = []

    class Looks(list[Waiter]):
        def remove(self, waiter: Waiter) -> None:
            inside.append(line.monitor.run_lock._depth > 0)
            super().remove(waiter)

    line._waiting_readers = Looks()
    async with anyio.create_task_group() as group:
        group.start_soon(line.take)
        await anyio.wait_all_tasks_blocked()
        await line.put(item(0))
    assert await parks(line.take)
    assert inside == [True, True]
    assert line._waiting_readers == []


async def test_a_writer_that_waited_takes_itself_off_inside_the_lock() -> None:
    class Looks(Channel):
        inside: ClassVar[list[bool]] = []

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "_waiting_writer" and value is None and hasattr(self, "_waiting_writer"):
                self.inside.append(self.monitor.run_lock._depth > 0)
            super().__setattr__(name, value)

    line = Looks("a", "b", Monitor(RunLock()), blocks=1)
    await line.put(item(0))
    assert await parks(lambda: line.put(item(1)))
    async with anyio.create_task_group() as group:
        group.start_soon(line.put, item(1))
        await anyio.wait_all_tasks_blocked()
        await line.take()
    assert line.inside == [True, True]


async def test_a_word_that_is_put_back_is_the_next() -> None:
    line = channel(blocks=2)
    await line.put(item(0))
    await line.put(item(1, size=3))
    first = line.take_now()
    assert first is not None
    line.put_back(first)
    assert (len(line), line.nbytes) == (2, 32)
    assert await line.take() == first


async def test_the_mean_depth_is_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(channel_module, "perf_counter", lambda: now)
    line = channel()
    assert line.mean_depth() == 0
    now = 1.0
    await line.put(item(0))
    await line.put(item(1))
    now = 3.0
    await line.take()
    now = 4.0
    assert line.mean_depth() == (1 * 0 + 2 * 2 + 1 * 1) / 4
    assert line.mean_depth() == (1 * 0 + 2 * 2 + 1 * 1) / 4  # asking changes nothing
    assert [line.depth_quantile(share) for share in (0.0, 0.25, 0.26, 0.5, 0.51, 1.0)] == [0, 0, 1, 1, 2, 2]
    assert line.depth_quantile(1.0 + 1e-9) == 2  # sums of seconds are rounded: the last depth, nothing beyond


def test_an_item_knows_its_weight() -> None:
    assert NumberedBlock.of(3, ints(range(5))).nbytes == 40
    assert NumberedBlock.of(3, None) == NumberedBlock(3, None, 0)
    assert isinstance(NumberedBlock.of(3, ints([1])).block, Ints)


async def test_a_writer_may_ask_for_room_before_it_makes_a_block() -> None:
    line = channel(blocks=1)
    assert not line.lacks_room()
    await line.put(item(0))
    assert line.lacks_room()
    assert line.writer_waits  # or a merge behind would wait for another queue for ever
    line.take_now()
    assert not line.lacks_room()
    assert not line.writer_waits


async def test_on_demand_there_is_room_while_the_reader_waits() -> None:
    line = channel(blocks=1)
    line.on_demand = True
    told: list[bool] = []
    line.notify_writer = lambda: told.append(line.lacks_room())
    assert line.lacks_room()
    assert not line.writer_waits
    line.starves(now=True)
    assert told == [False]
    line.starves(now=False)
    assert line.lacks_room()
    assert told == [False]


async def test_a_writer_on_demand_goes_on_when_its_reader_has_gone() -> None:
    """It finds that nobody reads any more where it writes; else its task would never end."""
    line = channel(blocks=1)
    line.on_demand = True
    assert line.lacks_room()
    line.leave()
    assert not line.lacks_room()
