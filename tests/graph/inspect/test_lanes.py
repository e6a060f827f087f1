"""What a graph says of its lanes before it runs: where they begin and end, and what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.graph.inspect.lanes import find_lanes, full_size
from flowload.sample import sample_path


def lanes_of(graph: fl.Graph) -> tuple[set[str], list[tuple[str | None, str]]]:
    found = find_lanes(graph.plan)
    assert found is not None
    return set(found.own), [(join.within, join.port.node) for join in found.joins]


def test_lanes_end_as_early_as_it_makes_no_difference() -> None:
    rows = fl.rows(100) >> fl.shuffle() >> fl.shard(lanes=4)
    batch = rows >> fl.batch(5)
    assert lanes_of(batch) == ({"batch"}, [("batch", "batch")])
    assert lanes_of(batch >> fl.to_device("cpu")) == ({"batch"}, [("batch", "batch")])
    assert lanes_of(batch >> fl.map(len) >> fl.to_device("cpu")) == ({"batch", "map"}, [(None, "map")])
    assert lanes_of(batch >> fl.filter(len) >> fl.batch(3)) == (
        {"batch", "filter", "batch_2"},
        [("batch_2", "batch_2")],
    )
    assert lanes_of(rows >> fl.batch(8, across_lanes=True) >> fl.map(len)) == (
        {"batch"},
        [("batch", "batch")],
    )
    assert lanes_of(rows >> fl.batch(8, on_error="skip")) == ({"batch"}, [("batch", "batch")])
    arrays = fl.rows(9) >> fl.shard(lanes=3) >> fl.batch(2) >> fl.batch(1, on_error="skip")
    assert lanes_of(arrays) == ({"batch", "batch_2"}, [(None, "batch_2")])


def test_what_flows_to_a_lane_from_beside_is_every_lanes_own() -> None:
    rows = fl.rows(100) >> fl.shard(lanes=4) >> fl.batch(5)
    beside = fl.rows(20) >> fl.batch(5)
    own, joins = lanes_of([rows, beside] >> fl.merge())
    assert own == {"batch", "rows_2", "batch_2", "merge"}
    assert joins == [(None, "merge")]


def test_outputs_without_a_shard_have_no_lanes() -> None:
    parts = fl.rows(100) >> fl.split(train=0.8, valid=0.2)
    train, valid = parts["train"] >> fl.shard(lanes=4) >> fl.batch(5), parts["valid"] >> fl.batch(5)
    graph = fl.outputs(train=train, valid=valid)
    found = find_lanes(graph.plan)
    assert found is not None
    assert found.own == {"batch"}
    assert (found.step("train"), found.step("valid")) == (1, 1)
    with graph.iterate() as run:
        assert sum(len(batch["index"]) for batch in run["train"]) > 70
        assert sum(len(batch["index"]) for batch in run["valid"]) > 10


def test_counts_of_ranks_and_of_all() -> None:
    plan = (fl.rows(100) >> fl.shard(1, 3, lanes=12) >> fl.batch(5)).plan
    lanes = find_lanes(plan)
    assert lanes is not None
    assert lanes.here == (1, 4, 7, 10)
    assert [lanes.of_rank("out", count) for count in range(7)] == [0, 0, 1, 1, 1, 2, 2]
    assert [lanes.of_all("out", own, 4) for own in (1, 2, 3)] == [4, 7, 10]
    assert [lanes.has_more("out", count) for count in range(5)] == [False, True, False, False, True]


@pytest.mark.parametrize("world", [5, 7, 16])
def test_a_world_that_does_not_divide_the_lanes_is_refused_with_those_that_do(
    world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", str(world))
    graph = fl.rows(100) >> fl.shard(lanes=24) >> fl.batch(2)
    wanted = rf"24 lanes cannot be shared by {world} ranks.*worlds that can: 1, 2, 3, 4, 6, 8, 12, 24$"
    for ask in (graph.iterate, graph.memory, lambda: len(graph)):
        with pytest.raises((GraphError, TypeError), match=wanted):
            ask()


def chunks() -> fl.Graph:
    return fl.discover(sample_path("chess")) >> fl.read("lc0")


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a batch": (
        lambda: fl.rows(9) >> fl.shard(lanes=3),
        r"no batch\(\) between the shard and the output 'out'",
    ),
    "a shard before": (
        lambda: fl.rows(9) >> fl.batch(3, across_lanes=True),
        r"put fl.shard\(lanes=...\) before",
    ),
    "one shard": (lambda: fl.rows(9) >> fl.shard(lanes=3) >> fl.shard(lanes=3) >> fl.batch(3), "dealt once"),
    "as many": (
        lambda: [fl.rows(9) >> fl.shard(lanes=n) >> fl.batch(3) for n in (2, 3)] >> fl.merge(),
        "different lanes or ranks",
    ),
    "a multiple": (
        lambda: fl.rows(99) >> fl.shard(lanes=24) >> fl.batch(100, across_lanes=True),
        "each of 24 lanes gives as many samples of it: wanted a multiple of 24, such as 96",
    ),
    "pool": (
        lambda: chunks() >> fl.shard(lanes=24) >> fl.shuffle_pool(23) >> fl.unpack() >> fl.batch(3),
        "shuffle_pool: chunks is 23, which 24 lanes share: a lane would have none; wanted at least 24",
    ),
    "reservoir": (
        lambda: chunks() >> fl.shard(lanes=24) >> fl.unpack() >> fl.reservoir(9) >> fl.batch(3),
        "reservoir: frames is 9, which 24 lanes share",
    ),
    "ends": (lambda: fl.rows(9) >> fl.shard(lanes=3, even=False) >> fl.batch(3), "leave even out"),
    "a number": (
        lambda: fl.rows(9) >> fl.shard(lanes=0) >> fl.batch(3),
        "lanes is 0; wanted a number from 1",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_lanes_is_refused_by_name(what: str) -> None:
    draw, wanted = WRONG[what]
    with pytest.raises(GraphError, match=wanted), draw().iterate() as batches:
        next(batches)


def test_a_stream_that_is_both_is_refused() -> None:
    both = fl.rows(90) >> fl.tee("a", "b")
    lanes = both["a"] >> fl.shard(lanes=3) >> fl.batch(3)
    with pytest.raises(GraphError, match=r"reads lanes and a stream that is not divided.*into both"):
        ([lanes, both["b"] >> fl.batch(3)] >> fl.merge()).iterate()


def test_sizes_of_a_whole_stream_are_shared_and_memory_counts_all_lanes() -> None:
    def memory(**shard: Any) -> dict[str, int]:
        graph = (
            chunks() >> fl.shard(**shard) >> fl.shuffle_pool(4800) >> fl.unpack(0.3) >> fl.reservoir(10_000)
        )
        return (graph >> fl.batch(256, layout="bits")).memory(cpus=2)

    one, many, rank = memory(), memory(lanes=24), memory(rank=1, world=4, lanes=24)
    assert many["reservoir"] == one["reservoir"]
    assert rank["reservoir"] == pytest.approx(one["reservoir"] / 4, rel=1e-3)
    assert one["shuffle_pool"] < many["shuffle_pool"] < 30 * one["shuffle_pool"]
    assert many["unpack"] > one["unpack"]
    assert many["batch"] > one["batch"]
    assert rank["total"] < many["total"]


def test_lengths_are_those_of_the_rank() -> None:
    def graph(rank: int, world: int, **options: Any) -> fl.Graph:
        return fl.rows(1003) >> fl.shard(rank, world, lanes=12) >> fl.batch(24, **options)

    for world in (1, 3, 12):
        choices: list[dict[str, Any]] = [{}, {"across_lanes": True}, {"drop_last": True}]
        for options in choices:
            drawn = graph(0, world, **options)
            with drawn.iterate() as batches:
                assert sum(1 for _ in batches) == len(drawn), (world, options)


def test_a_full_block_is_that_of_the_stage_that_cuts() -> None:
    plan = (fl.rows(9) >> fl.batch(3) >> fl.map(len) >> fl.to_device("cpu")).plan
    assert full_size(plan, "to_device") == 3
    assert full_size((fl.rows(9) >> fl.batch(3) >> fl.filter(len)).plan, "filter") is None


def test_a_drawing_that_is_not_complete_shows_itself_all_the_same() -> None:
    shown = (fl.rows(9) >> fl.shard(lanes=3))._repr_mimebundle_()
    assert "shard" in shown["text/plain"]
