"""All ranks end in the same step, and the ledger of each says what was cut; else the run is refused."""

from __future__ import annotations

import gzip
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.sample import sample_path
from tests.formats.molecules.packs import content, write
from tests.runtime.ranks import run_ranks
from tests.runtime.world.filtered import filtered, lengths, most

WORLDS = range(1, 9)


CUT = "cut to equal ranks"


def odd(batch: Any) -> Any:
    return batch["index"] % 2 == 1


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
