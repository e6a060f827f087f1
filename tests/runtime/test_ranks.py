"""All ranks end in the same step, and the ledger of each says what was cut; else the run is refused."""

from __future__ import annotations

import gzip
import logging
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.adapters.engine import Adapters
from flowload.errors import DataError, GraphError, RankError
from flowload.formats.molecules.packed import PackedMolecules
from flowload.graph.engine import RunOrder
from flowload.runtime.ranks import Ranks
from flowload.sample import sample_path
from tests.formats.molecules.packs import content, write
from tests.runtime.ranks import Exchange, TogetherRanks, run_ranks

WORLDS = range(1, 9)
CUT = "cut to equal ranks"


def most(batch: Any) -> Any:
    """Not every seventh."""
    return batch["index"] % 7 != 1


def odd(batch: Any) -> Any:
    return batch["index"] % 2 == 1


def filtered(rank: int, world: int) -> fl.Graph:
    rows = fl.rows(1003) >> fl.shuffle() >> fl.shard(rank, world)
    return rows >> fl.batch(10) >> fl.filter(most) >> fl.batch(10)


def lengths(run: Any) -> list[int]:
    return [len(next(iter(batch.values()))) for batch in run]


def check_equal(found: list[tuple[Any, Any]]) -> None:
    """All ranks made as many steps, of the same sizes, and their books balance."""
    assert len({tuple(steps) for steps, _ in found}) == 1
    for steps, stats in found:
        assert stats.finished
        assert stats.delivered == sum(steps)
        for stage in stats.stages.values():
            assert stage.in_ == stage.out + sum(stage.dropped.values()) + stage.held


@pytest.mark.parametrize("how", [{}, {"epochs": 2}, {"epochs": 2, "align": True}])
@pytest.mark.parametrize("world", WORLDS)
def test_filters(world: int, how: dict[str, Any]) -> None:
    found = run_ranks(lambda rank: filtered(rank, world), world, lengths, **how)
    check_equal(found)
    if world > 1:
        cut = [stats.stages["equal_ranks"].dropped for _, stats in found]
        assert all(set(dropped) <= {CUT} for dropped in cut)
        assert 0 < sum(dropped[CUT] for dropped in cut if dropped) < 10 * world * 2 * 2
        assert len(found[0][0]) >= how.get("epochs", 1) * (1003 // world * 6 // 7 // 10 - 2)


@pytest.mark.parametrize("world", WORLDS)
def test_where_one_rank_has_nothing_none_has(world: int) -> None:
    def graph(rank: int) -> fl.Graph:
        return fl.rows(1000) >> fl.shard(rank, world) >> fl.batch(10) >> fl.filter(odd) >> fl.batch(10)

    found = run_ranks(graph, world, lengths)
    check_equal(found)
    assert len(found[0][0]) == (0 if world % 2 == 0 else len(found[0][0]))
    total = sum(stats.delivered + sum(stats.stages["equal_ranks"].dropped.values()) for _, stats in found[1:])
    assert world == 1 or total + found[0][1].delivered <= 500


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("bucket", [None, 32])
@pytest.mark.parametrize("world", WORLDS)
def test_bad_and_too_large_molecules(world: int, bucket: int | None, drop_last: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made = content(rng.integers(1, 9, 400).tolist())
    made["E.f64"][rng.permutation(400)[:23]] = np.nan
    records = PackedMolecules(write(tmp_path / "set", made), num_atoms=7, too_large="drop")

    def graph(rank: int) -> fl.Graph:
        rows = fl.rows(records) >> fl.shuffle() >> fl.shard(rank, world)
        rows = rows if bucket is None else rows >> fl.bucket(bucket)
        return rows >> fl.batch(8, drop_last=drop_last, on_error="skip") >> fl.to_device("cpu")

    found = run_ranks(graph, world, lambda run: [len(batch["E"]) for batch in run], seed=3)
    check_equal(found)
    assert set(found[0][0][:-1]) == {8}


def games(folder: Path) -> Path:
    """The shipped games, some of them damaged within."""
    source = next(Path(sample_path("chess")).glob("*.tar"))
    with tarfile.open(source) as old, tarfile.open(folder / "games.tar", "w") as new:
        for number, member in enumerate(old):
            file = old.extractfile(member)
            data = b"" if file is None else file.read()
            if number % 5 == 2:
                inside = bytearray(gzip.decompress(data))
                inside[0:4] = b"\xff\xff\xff\x7f"  # no version of a record
                data = gzip.compress(bytes(inside))
            member.size = len(data)
            new.addfile(member, BytesIO(data))
    return folder / "games.tar"


@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize("world", [2, 3, 8])
def test_bad_games(world: int, rate: float, tmp_path: Path) -> None:
    tar = games(tmp_path)

    def graph(rank: int) -> fl.Graph:
        chunks = fl.discover(tar) >> fl.read("lc0", on_error="skip") >> fl.shard(rank, world, on_error="skip")
        return chunks >> fl.unpack(rate, on_error="skip") >> fl.batch(16, layout="bits")

    found = run_ranks(graph, world, lambda run: [len(batch["bits"]) for batch in run])
    check_equal(found)
    assert any(stats.stages["unpack"].dropped for _, stats in found)
    assert sum(sum(stats.stages["equal_ranks"].dropped.values()) for _, stats in found)


@pytest.mark.parametrize("world", [2, 3])
def test_a_last_batch_that_all_ranks_have_is_given(world: int) -> None:
    def graph(rank: int) -> fl.Graph:
        return fl.rows(10 * world + 3 * world) >> fl.shard(rank, world) >> fl.batch(10, on_error="skip")

    assert [steps for steps, _ in run_ranks(graph, world, lengths)] == [[10, 3]] * world


def test_outputs_agree_each_by_itself() -> None:
    def graph(rank: int) -> fl.Graph:
        parts = fl.rows(600) >> fl.split(train=0.7, valid=0.3)
        train, valid = (
            part >> fl.shard(rank, 2) >> fl.filter(most) >> fl.batch(8)
            for part in (parts["train"], parts["valid"])
        )
        return fl.outputs(train=train, valid=valid)

    def read(run: Any) -> tuple[list[int], list[int]]:
        with ThreadPoolExecutor(2) as threads:
            train, valid = threads.map(lengths, [run["train"], run["valid"]])
        return train, valid

    (one, other) = run_ranks(graph, 2, read)
    assert one[0] == other[0]
    assert one[1].finished
    assert other[1].finished


def test_batches_are_those_of_a_run_that_nobody_cuts() -> None:
    """What is delivered is the beginning of what the rank would have delivered alone."""
    found = run_ranks(
        lambda rank: filtered(rank, 3), 3, lambda run: [b["index"].tolist() for b in run], seed=7
    )
    for rank, (steps, _) in enumerate(found):
        with filtered(rank, 3).iterate(seed=7, even="allow") as run:
            alone = [batch["index"].tolist() for batch in run]
        assert steps == alone[: len(steps)]
        assert len(steps) >= len(alone) - 3


# --- who fails, or goes -----------------------------------------------------------------------------


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


# --- where nobody can agree -------------------------------------------------------------------------


def test_a_graph_that_ends_unevenly_is_refused_when_it_opens() -> None:
    wanted = (
        r"'filter' is behind shard\(\), and it leaves out different numbers of samples on different ranks: .*"
        r"there is no torch process group \(declared at .*test_ranks.py:\d+\).*before shard\(\).*"
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
