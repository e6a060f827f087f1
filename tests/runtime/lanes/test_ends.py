"""Lanes that end at different times: whole rounds, the same in every world, and the ledger says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules.packs import content, write
from tests.runtime.lanes.worlds import digest, interleaved, stream
from tests.runtime.ranks import run_ranks

CUT = "cut to equal lanes"


def uneven(shard: fl.Graph, share: int) -> fl.Graph:
    """Lane 3 keeps nearly nothing, the others most."""
    rows = fl.rows(1200) >> shard >> fl.batch(4)
    kept = rows >> fl.filter(lambda batch: (batch["index"] % 7 != 1) & (batch["index"] % 12 % 12 != 3))
    return [kept, fl.rows(480) >> shard >> fl.batch(4)] >> fl.mix(1, 1) >> fl.batch(5)


def filtered(shard: fl.Graph, share: int) -> fl.Graph:
    rows = fl.rows(3000) >> fl.shuffle() >> shard >> fl.batch(9)
    return rows >> fl.filter(lambda batch: batch["index"] % 7 != 1) >> fl.batch(10)


def dropped_whole(shard: fl.Graph, share: int) -> fl.Graph:
    """A function leaves out whole batches, more of them in some lanes."""
    rows = fl.rows(2400) >> shard >> fl.batch(5)
    return rows >> fl.map(lambda batch: None if batch["index"].sum() % 13 < 4 else {"x": batch["index"]})


@pytest.mark.slow
@pytest.mark.parametrize("draw", [uneven, filtered, dropped_whole])
def test_the_stream_is_the_same_in_every_world_and_ends_with_the_shortest_lane(draw: Any) -> None:
    one = stream(draw, 1)
    assert len(one) % 12 == 0
    lanes = []
    for lane in range(12):
        with draw(fl.shard(lane, 12), 1).iterate(even="allow") as batches:
            sizes, found = [], []
            for batch in batches:
                sizes.append(len(next(iter(batch.values()))))
                found.append(digest(batch))
            lanes.append(found[:-1] if sizes[-1] < max(sizes) else found)  # ends of different sizes are cut
    assert one == list(interleaved(lanes))
    assert len({len(lane) for lane in lanes}) > 1
    for world in (2, 3, 4):
        assert stream(draw, world) == one


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_ledger_says_what_was_cut_and_balances(world: int) -> None:
    found = run_ranks(
        lambda rank: filtered(fl.shard(rank, world, lanes=12), 1),
        world,
        lambda run: sum(len(batch["index"]) for batch in run),
    )
    for given, stats in found:
        assert stats.finished
        assert stats.delivered == given
        last = stats.stages["batch_2"]
        cut = last.dropped[CUT]
        assert last.in_ == last.out + cut
        assert last.held == 0
        ranks = stats.stages.get("equal_ranks")
        assert given == last.out - (0 if ranks is None else sum(ranks.dropped.values()))
        assert stats.stages["filter"].out == last.in_


def test_a_last_smaller_batch_is_given_where_all_lanes_have_one_of_its_size() -> None:
    with (fl.rows(12 * 13) >> fl.shard(lanes=12) >> fl.batch(5)).iterate() as batches:
        assert [len(batch["index"]) for batch in batches] == [5] * 24 + [3] * 12
    assert batches.stats().stages["batch"].dropped == {}


@pytest.mark.slow
def test_one_lane_without_anything_ends_the_stream_and_nobody_waits() -> None:
    def none_of_lane_5(batch: Any) -> Any:
        return batch["index"] % 12 != 5

    graph = fl.rows(60_000) >> fl.shard(lanes=12) >> fl.batch(10) >> fl.filter(none_of_lane_5) >> fl.batch(10)
    with graph.iterate() as batches:
        assert list(batches) == []
    stage = batches.stats().stages["batch_2"]
    assert stage.dropped == {CUT: 55_000}
    assert batches.stats().finished


@pytest.mark.slow
def test_a_lane_that_gives_late_does_not_stop_the_others_for_ever() -> None:
    """References wait where lanes begin, however many: their queues grow."""

    def late(batch: Any) -> Any:  # of lane 0 only the last rows
        return (batch["index"] % 4 != 0) | (batch["index"] >= 390_000)

    graph = fl.rows(400_000) >> fl.shard(lanes=4) >> fl.batch(10) >> fl.filter(late) >> fl.batch(100)
    with graph.iterate() as batches:
        firsts = [int(batch["index"][0]) for batch in batches]
    assert firsts[:5] == [390_000, 1, 2, 3, 390_400]
    assert len(firsts) == 4 * 25


@pytest.mark.slow
def test_passes_that_are_kept_apart_are_each_cut() -> None:
    def sizes(world: int) -> list[int]:
        found = run_ranks(
            lambda rank: filtered(fl.shard(rank, world, lanes=12), 1),
            world,
            lambda run: [len(batch["index"]) for batch in run],
            epochs=3,
            align=True,
        )
        assert len({len(rank) for rank, _ in found}) == 1
        return [size for step in zip(*(rank for rank, _ in found), strict=True) for size in step]

    one = sizes(1)
    assert len(one) % 36 == 0
    assert set(one) == {10}
    assert sizes(3) == one


@pytest.mark.parametrize("across", [False, True])
def test_what_is_bad_is_filled_up_in_its_own_lane(across: bool, tmp_path: Path) -> None:
    made = content([3] * 600)
    made["E.f64"][::5] = np.nan
    good = set(made["E.f64"][~np.isnan(made["E.f64"])].tolist())
    records = PackedMolecules(write(tmp_path / "set", made), num_atoms=3)

    def graph(rank: int, world: int) -> fl.Graph:
        rows = fl.rows(records) >> fl.shard(rank, world, lanes=6)
        return rows >> fl.batch(12, on_error="skip", across_lanes=across)

    def read(run: Any) -> list[list[float]]:
        return [batch["E"].ravel().tolist() for batch in run]

    with graph(0, 1).iterate() as batches:
        one = read(batches)
    assert {len(batch) for batch in one[:-6]} == {12}
    assert sum(map(len, one)) == 480
    assert {energy for batch in one for energy in batch} <= good
    steps = zip(*(rank for rank, _ in run_ranks(lambda rank: graph(rank, 2), 2, read)), strict=True)
    if across:
        assert [sorted([*left, *right]) for left, right in steps] == [sorted(batch) for batch in one]
    else:
        assert [batch for step in steps for batch in step] == one


def test_a_stage_that_fails_in_a_lane_is_named_as_it_was_drawn() -> None:
    def fails(batch: Any) -> Any:
        if 77 in batch["index"]:
            raise ValueError("seventy-seven")
        return {"x": batch["index"]}

    graph = fl.rows(600) >> fl.shard(lanes=6) >> fl.batch(5) >> fl.map(fails)
    with pytest.raises(ValueError, match="seventy-seven") as caught, graph.iterate() as batches:
        list(batches)
    assert "in stage 'map', declared at" in "".join(caught.value.__notes__)


def test_a_function_for_one_worker_is_called_by_one_at_a_time() -> None:
    inside = [0]
    most = [0]

    def alone(batch: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        sum(range(2000))
        inside[0] -= 1
        return {"x": batch["index"]}

    graph = fl.rows(3000) >> fl.shard(lanes=6) >> fl.batch(5) >> fl.map(alone, workers=1)
    with graph.iterate(cpus=4) as batches:
        assert sum(1 for _ in batches) == 600
    assert most == [1]
    assert batches.stats().stages["map"].workers == 1


def test_growing_folders_have_no_lanes(tmp_path: Any) -> None:
    graph = (
        fl.discover(tmp_path, watch=True) >> fl.read("lc0") >> fl.shard(lanes=2) >> fl.unpack() >> fl.batch(2)
    )
    with pytest.raises(GraphError, match=r"a folder that grows is not.* leave lanes out"), graph.iterate():
        pass
