"""Neighbouring maps as one plain object without state."""

from __future__ import annotations

import functools
import threading
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Block, Call
from flowload.errors import DataError
from flowload.runtime.channel import NumberedBlock
from flowload.runtime.tasks.chains import map_chain
from flowload.runtime.tasks.chains.map_chain import Calls, MapChain, is_async
from tests.runtime.stages import Does, DoesAsync, Ints, ints

from .stage import members


def doubled(block: Ints, call: Call) -> Ints:
    return Ints(block.values * 2)


def nothing(block: Ints, call: Call) -> Block | None:
    call.drop(len(block), "unwanted")
    return None


def bad(block: Ints, call: Call) -> Ints:
    raise DataError("bad", where="a.txt: 1")


def apply(chain: MapChain, item: NumberedBlock, shape: str) -> tuple[NumberedBlock, Calls]:
    if shape == "thread":
        return chain.apply(item)
    return anyio.run(chain.apply_async, item)


def make(fn: Any, shape: str) -> Does:
    """A map that calls a function, or a coroutine function."""

    async def waits(block: Ints, call: Call) -> Any:
        return fn(block, call)

    return Does(fn) if shape == "thread" else DoesAsync(waits)


shapes = pytest.mark.parametrize("shape", ["thread", "loop"])


@shapes
def test_a_block_goes_through_all_and_keeps_its_number(shape: str) -> None:
    both = members("map", make(doubled, shape), make(doubled, shape))
    item, calls = apply(MapChain(both), NumberedBlock.of(7, ints([1, 2])), shape)
    assert (item.number, item.nbytes) == (7, 16)
    assert isinstance(item.block, Ints)
    assert item.block.values.tolist() == [4, 8]
    assert [(member, call.number, call.samples) for member, call, _ in calls] == [
        (both[0], 7, 2),
        (both[1], 7, 2),
    ]
    assert all(call.seconds > 0 for _, call, _ in calls)


@shapes
def test_where_nothing_is_left_the_place_stays(shape: str) -> None:
    both = members("map", make(nothing, shape), make(doubled, shape))
    item, calls = apply(MapChain(both), NumberedBlock.of(7, ints([1, 2])), shape)
    assert item == NumberedBlock(7, None)
    assert [(member, call.drops) for member, call, _ in calls] == [(both[0], [("unwanted", 2)])]


@shapes
def test_a_bad_block_is_raised_with_its_stage(shape: str) -> None:
    with pytest.raises(DataError) as caught:
        apply(MapChain(members("map", make(bad, shape))), NumberedBlock.of(7, ints([1, 2])), shape)
    assert caught.value.__notes__ == ["in stage 'map', declared at here.py:1"]


@shapes
def test_a_bad_block_is_skipped(shape: str) -> None:
    both = members("map", make(bad, shape), make(doubled, shape), on_error="skip")
    item, calls = apply(MapChain(both), NumberedBlock.of(7, ints([1, 2])), shape)
    assert item == NumberedBlock(7, None)
    ((member, call, _),) = calls
    member.settle(call)
    assert (member.meter.in_, dict(member.meter.dropped)) == (2, {"bad": 2})


def test_what_is_a_coroutine_function() -> None:
    async def waits(block: Ints, call: Call) -> Ints:
        return block

    class Static:
        apply = staticmethod(waits)

    class Partial:
        apply = staticmethod(functools.partial(waits))  # a bare one becomes a method in Python 3.14

    sync, loop, static, part = members("map", Does(doubled), DoesAsync(waits), Static(), Partial())
    assert [is_async(member) for member in (sync, loop, static, part)] == [False, True, True, True]


def test_maps_that_share_a_job_say_what_cpu_each_took_and_one_alone_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1.0]

    def computes(seconds: float) -> Any:
        def work(block: Ints, call: Call) -> Ints:
            clock[0] += seconds
            return block

        return work

    monkeypatch.setattr(map_chain, "thread_time", lambda: clock[0])
    both = members("map", Does(computes(0.25)), Does(computes(2.0)))
    _, calls = MapChain(both).apply(NumberedBlock.of(0, ints([1])))
    assert [call.cpu for _, call, _ in calls] == [0.25, 2.0]
    for member, call, _ in calls:
        call.seconds = 4.0
        member.settle(call)
    assert [member.meter.cpu.share() for member in both] == [0.0625, 0.5]
    _, calls = MapChain(both[:1]).apply(NumberedBlock.of(0, ints([1])))
    assert [call.cpu for _, call, _ in calls] == [None]  # its job is asked
    assert both[0].at == {threading.get_ident(): "map"}
