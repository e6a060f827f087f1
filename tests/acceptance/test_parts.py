"""Ranks and splits: parts that share nothing and miss nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.graph import Graph
from tests.acceptance.lines import is_balanced, texts
from tests.acceptance.oracle import Digest, frames, multiset

WORLD = 4
GOLDEN = (3507, 480)  #: frames for training and validation


def sharded(sample: list[Path], rank: int | None, size: int, **unpacking: Any) -> Graph:
    world = None if rank is None else WORLD
    return (
        fl.discover(texts(sample))
        >> fl.read("lc0")
        >> fl.shard(rank, world)
        >> fl.shuffle_pool(100)
        >> fl.unpack(**unpacking)
        >> fl.reservoir(100)
        >> fl.batch(size)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("unpacking", "epochs"), [({}, 1), ({}, 3), ({"rate": 0.25}, 4), ({"count": 11}, 2)])
@pytest.mark.parametrize("size", [7, 100])
def test_ranks_share_nothing_miss_nothing_and_are_equal(
    sample: list[Path], sample_frames: Counter[Digest], unpacking: dict[str, Any], epochs: int, size: int
) -> None:
    found: list[Counter[Digest]] = []
    batches, opened, cut = [], 0, 0
    for rank in range(WORLD):
        with sharded(sample, rank, size, **unpacking).iterate(seed=9, epochs=epochs) as run:
            found.append(multiset(run))
            stats = run.stats()
        assert is_balanced(stats)
        batches.append(stats.blocks_delivered)
        shard, unpack = stats.stages["shard"], stats.stages["unpack"]
        assert shard.in_ == epochs * 24
        assert set(shard.dropped) <= {"other rank", "cut to equal ranks"}
        opened += unpack.in_
        cut += unpack.dropped.get("cut to equal ranks", 0)
    assert len(set(batches)) == 1
    assert len({ours.total() for ours in found}) == 1
    union = sum(found, Counter[Digest]())
    if "count" in unpacking:
        return
    uses = epochs if not unpacking else 1
    wanted = Counter({digest: uses * count for digest, count in sample_frames.items()})
    assert union <= wanted  # so what is in one rank is in no other
    assert (wanted - union).total() < WORLD * max(len(game) for path in sample for game in frames(path))
    if opened == epochs * sample_frames.total():  # no game was cut whole
        assert (wanted - union).total() == cut


def test_whole_games_that_are_cut_are_counted(sample: list[Path]) -> None:
    def ends(rank: int) -> tuple[int, int]:
        with sharded(sample, rank, 50).iterate() as run:
            for _ in run:
                pass
            shard = run.stats().stages["shard"]
        return shard.out, shard.dropped.get("cut to equal ranks", 0)

    parts = [ends(rank) for rank in range(WORLD)]
    assert sum(out + cut for out, cut in parts) == 24


def test_ranks_come_from_the_environment(sample: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", str(WORLD))
    with sharded(sample, None, 100).iterate() as run, sharded(sample, 2, 100).iterate() as wanted:
        assert multiset(run) == multiset(wanted)


def halves(sample: list[Path]) -> Graph:
    parts = fl.discover(texts(sample)) >> fl.read("lc0") >> fl.split(train=0.8, valid=0.2)
    return fl.outputs(
        train=parts["train"] >> fl.shuffle_pool(5) >> fl.unpack() >> fl.reservoir(100) >> fl.batch(100),
        valid=parts["valid"] >> fl.unpack() >> fl.batch(100),
    )


def test_a_split_parts_games_for_good(sample: list[Path], sample_frames: Counter[Digest]) -> None:
    with halves(sample).iterate(seed=1, epochs=2) as run:
        valid, train = multiset(run["valid"]), multiset(run["train"])
        stats = run.stats()
    assert is_balanced(stats)
    assert train + valid == sample_frames + sample_frames
    for path in sample:
        for game in frames(path):
            own = [digest for digest in game if sample_frames[digest] == 1]  # not the opening, say
            assert len({digest in valid for digest in own}) == 1
    # The same on every machine and in every version: a validation game never becomes a training game.
    assert (train.total() // 2, valid.total() // 2) == GOLDEN
