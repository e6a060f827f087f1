from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from flowload.abc.operators import Fold, Setting
from flowload.blocks import Rows
from flowload.errors import GraphError
from flowload.graph import Stage
from flowload.stages.chunks.partition import Partition, PartitionByHash
from flowload.stages.rows.round_robin import RoundRobin
from flowload.stages.rows.rows import RowsStage
from flowload.stages.wiring.shard import ShardStage, shard
from tests.stages.fakes import FakeCall
from tests.stages.toy import references, toy_chunks
from tests.stages.toy_rows import ToyRecords

SETTING = Setting(seed=3, epochs=1, cpus=2)


@dataclass(frozen=True, kw_only=True)
class Watching(Stage):
    growing: ClassVar[bool] = True


def test_over_a_growing_source_the_order_does_not_matter() -> None:
    """Shares of 9000 chunks for 3 ranks: chi-square with 2 degrees of freedom, 13.8."""
    chunks = toy_chunks(9000, files=30)
    shuffled = chunks.select(np.random.default_rng(1).permutation(9000))
    shares = []
    for rank in range(3):
        (fold,) = ShardStage(rank=rank, world=3).open(replace(SETTING, upstream=(Watching(),)))
        assert isinstance(fold, PartitionByHash)
        assert isinstance(fold, Fold)
        call = FakeCall()
        own, same = (
            [row for block in fold.push(given, call) for row in references(block)]
            for given in (chunks, shuffled)
        )
        assert sorted(own) == sorted(same)
        assert not list(fold.flush(call))
        assert call.drops["other rank"] == 2 * (9000 - len(own))
        shares.append(set(own))
    assert len(set.union(*shares)) == 9000 == sum(map(len, shares))
    assert sum((len(share) - 3000) ** 2 / 3000 for share in shares) < 13.8


def test_torchrun_says_who_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    (fold,) = ShardStage().open(SETTING)
    assert isinstance(fold, Partition)
    assert (fold.rank, len(fold.totals)) == (0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    (fold,) = ShardStage().open(SETTING)
    assert isinstance(fold, Partition)
    assert (fold.rank, len(fold.totals)) == (2, 4)
    with pytest.raises(GraphError, match="rank is 2; wanted 0 to 1, for world=2"):
        ShardStage(world=2).open(SETTING)
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(GraphError, match="RANK is 'first'; wanted a number"):
        ShardStage().open(SETTING)


@pytest.mark.parametrize(
    ("rank", "world", "message"),
    [
        (-1, 2, "rank is -1"),
        (0, 0, "world is 0"),
        (True, 2, "rank is True"),
        (2, 2, "rank is 2; wanted 0 to 1"),
    ],
)
def test_bad_parameters_are_named(rank: int, world: int, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        shard(rank, world)


def test_the_word_makes_a_stage() -> None:
    (placed,) = shard(0, 2).nodes()
    assert placed.stage == ShardStage(rank=0, world=2)
    assert placed.stage.parameters() == {"rank": 0, "world": 2}


def test_rows_are_dealt_in_turn() -> None:
    setting = replace(SETTING, upstream=(RowsStage(records=ToyRecords(9)),))
    (fold,) = ShardStage(rank=1, world=3, even=False).open(setting)
    assert isinstance(fold, RoundRobin)
    assert (fold.rank, fold.world, fold.even) == (1, 3, False)
    assert shard(0, 2).nodes()[0].stage.gives([Rows]) == {"out": Rows}
