"""The reader's place: one large block ahead of it, or several small ones, and never a block too many."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.faces.handoff import MOST, SMALL, Handoff, OutputEnd
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import Ints, ints

pytestmark = pytest.mark.anyio


def laden(count: int, nbytes: int) -> tuple[Handoff, Channel]:
    """A handoff with a channel behind it that holds so many blocks."""
    line = Channel("a", "b", Monitor(RunLock()), blocks=99)
    for number in range(count):
        assert line.try_put(NumberedBlock(number, ints([number]), nbytes))
    return Handoff(), line


@pytest.mark.parametrize(
    ("nbytes", "places"), [(SMALL * 9, 1), (SMALL, 1), (SMALL // 2, 2), (1000, MOST), (0, MOST)]
)
async def test_as_many_lie_ready_as_are_small(nbytes: int, places: int) -> None:
    handoff, line = laden(20, nbytes)
    handoff.attach(line)
    assert handoff.queue.qsize() == places
    assert handoff.held_back


async def test_what_a_waiting_reader_takes_at_once_needs_no_place() -> None:
    handoff, line = laden(3, SMALL)
    handoff.reader_blocked = True
    handoff.attach(line)
    assert handoff.queue.qsize() == 2
    handoff.reader_blocked = False
    handoff.queue.get()
    with line.monitor.run_lock:
        handoff.fill()
    assert (handoff.queue.qsize(), len(line), handoff.held_back) == (1, 1, True)


async def test_the_reader_rings_when_half_are_taken() -> None:
    handoff, line = laden(40, 1000)
    handoff.attach(line)
    rings = []
    for _ in range(MOST):
        handoff.queue.get()
        rings.append(handoff.held_back and handoff.half_empty())
    assert rings == [False] * (MOST // 2 - 1) + [True] * (MOST // 2 + 1)
    with line.monitor.run_lock:
        handoff.fill()
    assert handoff.queue.qsize() == MOST


async def test_blocks_come_in_order_and_marks_not_at_all() -> None:
    handoff, line = laden(0, 0)
    drained = handoff.attach(line)
    for word in (
        NumberedBlock.of(0, ints([7])),
        Mark.EPOCH,
        NumberedBlock(1, None),
        NumberedBlock.of(2, ints([8])),
    ):
        line.try_put(word)
    line.end()
    await drained
    handoff.close(None)
    got: list[Any] = [handoff.queue.get() for _ in range(3)]
    assert [block.values.tolist() for block in got[:2] if isinstance(block, Ints)] == [[7], [8]]
    assert isinstance(got[2], OutputEnd)


async def test_clearing_lets_go_of_all_but_a_door() -> None:
    handoff, line = laden(5, 1000)
    handoff.attach(line)
    handoff.close(ValueError("x"))
    handoff.clear()
    end = handoff.queue.get_nowait()
    assert isinstance(end, OutputEnd)
    assert str(end.error) == "x"
    handoff.clear()
    assert handoff.queue.empty()


async def test_clearing_lets_go_of_the_rest_of_a_bundle() -> None:
    handoff, _ = laden(0, 0)
    handoff.parts.extend([ints([1]), ints([2])])
    handoff.clear()
    assert handoff.next_part() is None


async def test_who_reads_alone_is_known() -> None:
    handoff, _ = laden(0, 0)
    assert not handoff.one_reader()
    for _ in range(2):
        handoff.note_reader(1)
    assert handoff.one_reader()
    handoff.note_reader(2)
    assert not handoff.one_reader()
