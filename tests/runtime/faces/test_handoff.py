"""The reader's place: one large block ahead of it, or several small ones, and never a block too many."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Item
from flowload.runtime.faces.handoff import MOST, SMALL, Door, Pier
from flowload.runtime.threads.monitor import Moves, Stillness
from tests.runtime.stages import Ints, ints

pytestmark = pytest.mark.anyio


def laden(count: int, nbytes: int) -> tuple[Pier, Channel]:
    """A pier with a channel behind it that holds so many blocks."""
    line = Channel("a", "b", Stillness(Moves()), blocks=99)
    for number in range(count):
        assert line.try_put(Item(number, ints([number]), nbytes))
    return Pier(), line


@pytest.mark.parametrize(
    ("nbytes", "places"), [(SMALL * 9, 1), (SMALL, 1), (SMALL // 2, 2), (1000, MOST), (0, MOST)]
)
async def test_as_many_lie_ready_as_are_small(nbytes: int, places: int) -> None:
    pier, line = laden(20, nbytes)
    pier.attach(line)
    assert pier.ready.qsize() == places
    assert pier.waits


async def test_what_a_waiting_reader_takes_at_once_needs_no_place() -> None:
    pier, line = laden(3, SMALL)
    pier.hungry = True
    pier.attach(line)
    assert pier.ready.qsize() == 2
    pier.hungry = False
    pier.ready.get()
    with line.still.moves:
        pier.move()
    assert (pier.ready.qsize(), len(line), pier.waits) == (1, 1, True)


async def test_the_reader_rings_when_half_are_taken() -> None:
    pier, line = laden(40, 1000)
    pier.attach(line)
    rings = []
    for _ in range(MOST):
        pier.ready.get()
        rings.append(pier.waits and pier.low())
    assert rings == [False] * (MOST // 2 - 1) + [True] * (MOST // 2 + 1)
    with line.still.moves:
        pier.move()
    assert pier.ready.qsize() == MOST


async def test_blocks_come_in_order_and_marks_not_at_all() -> None:
    pier, line = laden(0, 0)
    drained = pier.attach(line)
    for word in (Item.of(0, ints([7])), Mark.EPOCH, Item(1, None), Item.of(2, ints([8]))):
        line.try_put(word)
    line.end()
    await drained
    pier.close(None)
    got: list[Any] = [pier.ready.get() for _ in range(3)]
    assert [block.values.tolist() for block in got[:2] if isinstance(block, Ints)] == [[7], [8]]
    assert isinstance(got[2], Door)


async def test_clearing_lets_go_of_all_but_a_door() -> None:
    pier, line = laden(5, 1000)
    pier.attach(line)
    pier.close(ValueError("x"))
    pier.clear()
    door = pier.ready.get_nowait()
    assert isinstance(door, Door)
    assert str(door.error) == "x"
    pier.clear()
    assert pier.ready.empty()


async def test_clearing_lets_go_of_the_rest_of_a_bundle() -> None:
    pier, _ = laden(0, 0)
    pier.rest.extend([ints([1]), ints([2])])
    pier.clear()
    assert pier.at_hand() is None


async def test_who_reads_alone_is_known() -> None:
    pier, _ = laden(0, 0)
    assert not pier.alone()
    for _ in range(2):
        pier.read_by(1)
    assert pier.alone()
    pier.read_by(2)
    assert not pier.alone()
