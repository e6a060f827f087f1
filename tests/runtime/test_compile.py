"""From a drawing to segments: which operators share a hop, and what lies between."""

from __future__ import annotations

from typing import Any

import pytest

import flowload as fl
from flowload.abc.operators import Call, Setting
from flowload.graph import Graph, place
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.placement import IO_WORKERS
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Hands,
    Ints,
    fan_out,
    in_turn,
    numbers,
    plus,
    rebatch,
    step,
)


def assemble(graph: Graph, *, cpus: int = 3) -> CompiledGraph:
    return CompiledGraph(graph.plan, BufferPool(), Monitor(RunLock()), Setting(seed=0, epochs=1, cpus=cpus))


def segments(graph: Graph) -> list[str]:
    return [segment.name for segment in assemble(graph).segments]


async def passes(block: Ints, call: Call) -> Ints:
    return block


def test_neighbouring_maps_share_a_hop() -> None:
    assert segments(numbers(1) >> plus(1, name="a") >> plus(2, name="b")) == ["origin", "a > b"]


def test_maps_of_other_width_have_hops_of_their_own() -> None:
    graph = numbers(1) >> plus(1, name="a", workers=2) >> plus(2, name="b")
    assert segments(graph) == ["origin", "a", "b"]


def test_maps_of_another_kind_have_hops_of_their_own() -> None:
    graph = (
        numbers(1)
        >> plus(1, name="a")
        >> step(lambda: DoesAsync(passes), name="b")
        >> step(lambda: DoesAsync(passes), name="c")
        >> place(Hands(make=lambda: [Does(lambda block, _: block)]), name="d")
    )
    assert segments(graph) == ["origin", "a", "b > c", "d"]


def test_neighbouring_folds_share_a_hop_and_maps_between_part_them() -> None:
    graph = (
        numbers(1)
        >> rebatch(1, name="a")
        >> rebatch(2, name="b")
        >> plus(1, name="c")
        >> rebatch(1, name="d")
    )
    assert segments(graph) == ["origin", "a > b", "c", "d"]


def test_the_operators_of_one_stage_are_numbered_and_may_lie_in_several_hops() -> None:
    graph = numbers(1) >> step(Folds, lambda: Does(lambda block, _: block), name="a") >> plus(1, name="b")
    compiled = assemble(graph)
    assert [segment.name for segment in compiled.segments] == ["origin", "a.0", "a.1 > b"]
    assert [channel.source for channel in compiled.channels] == ["origin", "a.0", "b"]
    assert [channel.target for channel in compiled.channels] == ["a", "a.1", "output 'out'"]
    assert [member.name for member in compiled.members] == ["origin", "a.0", "a.1", "b"]
    assert compiled.segment_of("a") is compiled.segments[2]


def test_ports_are_named_where_there_are_several() -> None:
    split = numbers(1) >> fan_out("left", "right")
    graph = [split["left"] >> plus(1, name="m"), split["right"]] >> in_turn()
    names = {(channel.source, channel.target) for channel in assemble(graph).channels}
    assert {("step.left", "m"), ("step.right", "junction"), ("m", "junction")} < names


def test_workers() -> None:
    io = place(Hands(make=lambda: [Does(lambda block, _: block)]), name="io")
    graph = numbers(1) >> plus(1, name="a") >> rebatch(1) >> plus(1, name="b", workers=7) >> io
    assert [segment.workers for segment in assemble(graph, cpus=3).segments] == [1, 3, 1, 7, IO_WORKERS]
    assert [segment.workers for segment in assemble(graph, cpus=9).segments] == [1, 9, 1, 7, 9]


def test_each_operator_draws_by_a_key_of_its_own() -> None:
    graph = numbers(1) >> step(Folds, Folds, name="a") >> rebatch(1, name="b")
    keys = [member.keys for member in assemble(graph).members]
    assert len(set(keys)) == 4
    assert keys == [member.keys for member in assemble(graph, cpus=8).members]


def test_what_was_opened_before_a_stage_that_cannot_be_is_closed() -> None:
    log: list[str] = []

    class Closes(Folds):
        def close(self) -> None:
            log.append("closed")

    def fail() -> Any:
        raise OSError("no such device")

    graph = numbers(1) >> step(Closes) >> step(fail, name="bad")
    with pytest.raises(OSError, match="no such device") as caught:
        assemble(graph)
    assert caught.value.__notes__ == [f"in stage 'bad', declared at {graph.plan['bad'].node.where}"]
    assert log == ["closed"]


def test_blocks_that_wait_inside_are_let_go_and_those_of_an_output_are_not() -> None:
    compiled = assemble(numbers(1) >> plus(1))
    for channel in compiled.channels:
        channel._messages.append(object())  # type: ignore[arg-type]  # only counted
    compiled.release()
    assert [len(channel) for channel in compiled.channels] == [0, 1]


@pytest.mark.parametrize(("world", "ahead"), [(1, False), (3, False), (6, True)])
def test_several_lanes_of_a_process_make_nothing_ahead(world: int, ahead: bool) -> None:
    rows = fl.rows(60) >> fl.shard(0, world, lanes=6) >> fl.batch(2) >> fl.map(lambda batch: batch)
    found = assemble(rows >> fl.batch(5)).segments
    assert {segment.ahead for segment in found if segment.lane is not None} == {ahead}
    assert {segment.ahead for segment in found if segment.lane is None} == {True}
