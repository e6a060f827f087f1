from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flowload as fl
from flowload.adapters.engine import Adapters
from flowload.errors import DataError, GraphError, RankError
from flowload.graph.engine import RunOrder
from flowload.runtime.ranks import Ranks
from tests.runtime.ranks import Exchange, TogetherRanks
from tests.runtime.world.filtered import filtered, lengths, most


def each_rank(world: int, graph: Callable[[int], fl.Graph], read: Callable[[int, Any], Any]) -> list[Any]:
    """What each rank reads, or the error that it gets."""
    exchanges = {"out": Exchange(world)}

    def one(rank: int) -> Any:
        try:
            with Adapters(TogetherRanks(exchanges, world)).iterate(graph(rank), RunOrder()) as run:
                return read(rank, run)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(world) as threads:
        return list(threads.map(one, range(world)))


def test_a_rank_that_fails_is_named_to_the_others() -> None:
    def graph(rank: int) -> fl.Graph:
        def picky(batch: Any) -> Any:
            if rank == 1 and 502 in batch["index"]:
                raise DataError("bad", where="here")
            return most(batch)

        return fl.rows(1500) >> fl.shard(rank, 3) >> fl.batch(10) >> fl.filter(picky) >> fl.batch(10)

    one, failed, other = each_rank(3, graph, lambda rank, run: lengths(run))
    assert isinstance(failed, DataError)
    for error in (one, other):
        assert isinstance(error, RankError)
        assert "rank 1 failed" in str(error)


def test_a_rank_whose_stage_cannot_be_opened_is_named_to_the_others() -> None:
    def graph(rank: int) -> fl.Graph:
        layout = "none" if rank == 0 else None
        return fl.rows(100) >> fl.shard(rank, 2) >> fl.filter(most) >> fl.batch(10, layout=layout)

    failed, other = each_rank(2, graph, lambda rank, run: lengths(run))
    assert isinstance(failed, GraphError)
    assert isinstance(other, RankError)
    assert "rank 0 failed" in str(other)


def test_a_reader_that_goes_is_named_to_the_others() -> None:
    def read(rank: int, run: Any) -> Any:
        return next(run) if rank == 0 else lengths(run)

    gone, other = each_rank(2, lambda rank: filtered(rank, 2), read)
    assert isinstance(gone, dict)
    assert isinstance(other, RankError)
    assert "rank 0 left its run before the end" in str(other)


def test_readers_that_go_after_the_same_step_hear_nothing() -> None:
    def read(rank: int, run: Any) -> int:
        return len([next(run) for _ in range(5)])

    assert each_rank(4, lambda rank: filtered(rank, 4), read) == [5] * 4


def test_a_graph_that_ends_unevenly_is_refused_when_it_opens() -> None:
    wanted = (
        r"'filter' is behind shard\(\), and it leaves out different numbers of samples on different ranks: .*"
        r"there is no torch process group \(declared at .*filtered.py:\d+\).*before shard\(\).*"
        r'process group.*even="allow"'
    )
    with pytest.raises(GraphError, match=wanted), filtered(0, 2).iterate():
        pass
    with pytest.raises(GraphError, match=r"'batch' is behind shard.*on_error='skip' leaves out what is bad"):
        next((fl.rows(9) >> fl.shard(0, 2) >> fl.batch(2, on_error="skip")).iterate())


def test_a_shard_whose_rows_nobody_cuts_is_refused_for_that() -> None:
    graph = fl.rows(10) >> fl.shard(0, 2)
    with pytest.raises(GraphError, match=r"'shard'.*there is no batch\(\) behind the shard"), graph.iterate():
        pass
    with graph.iterate(even="allow") as run:
        assert sum(map(len, run)) == 5


def test_unless_it_is_allowed_or_has_no_end_or_there_is_one_rank() -> None:
    with filtered(0, 2).iterate(even="allow") as run:
        assert lengths(run)
    with filtered(0, 2).iterate(epochs=None) as run:
        next(run)
    with filtered(0, 1).iterate() as run:
        assert lengths(run)
    with pytest.raises(GraphError, match="even is 'never'; wanted 'auto' or 'allow'"):
        filtered(0, 2).iterate(even="never")  # type: ignore[arg-type]


def mapped(world: int, leave_out: int) -> fl.Graph:
    def change(batch: Any) -> Any:
        return None if leave_out in batch["index"] else {"y": batch["index"]}

    return fl.rows(100) >> fl.shard(0, world) >> fl.batch(4) >> fl.map(change)


def test_a_map_may_be_there_but_must_not_leave_out_anything() -> None:
    with mapped(2, -1).iterate() as run:
        assert len(lengths(run)) == 13
    with (
        pytest.raises(GraphError, match=r"'map' has left samples out behind shard\(\)"),
        mapped(2, 40).iterate() as run,
    ):
        lengths(run)
    for allowed in (mapped(2, 40).iterate(even="allow"), mapped(1, 40).iterate()):
        with allowed as run:
            assert len(lengths(run)) in (12, 24)


def test_ranks_of_another_group_cannot_agree() -> None:
    class Other(Ranks):
        def join(self, *_: Any) -> str:
            return "this is rank 0 of 4 of the torch process group, and rank 0 of 2 of shard()"

    with (
        pytest.raises(GraphError, match="rank 0 of 4 of the torch process group, and rank 0 of 2 of shard"),
        Adapters(Other()).iterate(filtered(0, 2), RunOrder()),
    ):
        pass


def test_several_ranks_without_a_shard_are_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    graph, engine = fl.rows(9) >> fl.batch(2), Adapters(Ranks())
    with caplog.at_level(logging.WARNING, logger="flowload"):
        with engine.iterate(graph, RunOrder(even="allow")) as run:
            lengths(run)
        assert not caplog.records
        for _ in range(3):
            with engine.iterate(graph, RunOrder()) as run:
                assert lengths(run) == [2, 2, 2, 2, 1]
    assert [record.message for record in caplog.records if "fl.shard()" in record.message] == [
        caplog.records[0].message
    ]
    assert "there are 2 ranks" in caplog.text
    caplog.clear()
    with (
        caplog.at_level(logging.WARNING, logger="flowload"),
        engine.iterate(fl.rows(9) >> fl.shard(0, 2) >> fl.batch(2), RunOrder()) as run,
    ):
        lengths(run)
    assert not caplog.records
