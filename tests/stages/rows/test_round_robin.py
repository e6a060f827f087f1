"""Ranks share a stream of rows: together they take each once, and none takes more than another."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.blocks import Rows
from flowload.graph import Graph
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.round_robin import RoundRobin
from flowload.testing import check_resume, check_stage, run_plain
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of, passes_of


def share(blocks: list[Rows], rank: int, world: int, *, even: bool) -> tuple[list[int], Counter[str]]:
    """What a rank gives, and what it counts as dropped."""
    fold, call = RoundRobin(rank, world, even=even, tables=ReopenedTables(())), FakeCall()
    made = [out for block in blocks for out in fold.push(block, call)]
    assert fold.held <= 1
    assert not list(fold.flush(call))
    assert fold.held == 0
    return list(numbers_of(made)), call.drops


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 5), st.booleans())
def test_the_union_is_the_whole_but_for_what_is_cut(sizes: list[int], world: int, even: bool) -> None:
    n = sum(sizes)
    given_ = n - n % world if even else n
    for rank in range(world):
        own, drops = share(blocks_of(sizes), rank, world, even=even)
        assert own == list(range(given_))[rank::world]  # every place goes to its rank
        cut = len(range(given_ + rank, n, world))
        assert drops == Counter({"other rank": n - len(own) - cut, "cut to equal ranks": cut}) + Counter()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 3))
def test_passes_go_on_where_the_last_one_was(sizes: list[int], world: int, passes: int) -> None:
    """So over all passes less than one turn is cut."""
    blocks = [block for block in passes_of(blocks_of(sizes), passes) if isinstance(block, Rows)]
    n = sum(sizes) * passes
    stream = [place % sum(sizes) for place in range(n)]
    for rank in range(world):
        assert share(blocks, rank, world, even=True)[0] == stream[: n - n % world][rank::world]


def ranks(world: int, *, even: bool = True, n: int = 23) -> list[Graph]:
    return [fl.rows(ToyRecords(n)) >> fl.shuffle() >> fl.shard(k, world, even=even) for k in range(world)]


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("world", [1, 2, 3, 23, 30])
def test_shards_of_a_shuffle(world: int, even: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 5)
    monkeypatch.setattr("flowload.stages.rows.shuffle.EMIT", 4)
    shares = [list(numbers_of(run_plain(rank, seed=5, epochs=2))) for rank in ranks(world, even=even)]
    together = Counter(row for share in shares for row in share)
    if even:
        assert len({len(share) for share in shares}) == 1
        assert 46 - together.total() == 46 % world
        assert max(together.values(), default=0) <= 2
    else:
        assert together == dict.fromkeys(range(23), 2)
    assert np.ptp([len(share) for share in shares]) <= 1


@pytest.mark.slow
def test_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 5)
    for even in (True, False):
        for graph in ranks(3, even=even):
            assert check_stage(graph, epochs=3)
            assert check_resume(graph, epochs=3) == 3 * 6 + 1
