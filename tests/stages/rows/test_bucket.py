"""Rows of similar size come together; nothing is lost, and equals keep their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.abc.operators import Setting
from flowload.blocks import Rows
from flowload.errors import GraphError
from flowload.stages.rows import bucket as module
from flowload.stages.rows.arrays import Count
from flowload.stages.rows.bucket import Bucket, BucketStage, bucket
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowRange
from flowload.testing import check_resume, check_stage, drive
from tests.kernels.rows.naive_order import by_size
from tests.stages.toy_rows import ToyRecords, ToyTable, blocks_of, numbers_of, passes_of


def sizes_of(rows: Sequence[int]) -> list[int]:
    return [int(size) for size in ToyTable(ToyRecords(1)).sizes(np.array(rows))]


@given(st.lists(st.integers(1, 15), min_size=1, max_size=6), st.integers(1, 20), st.integers(1, 3))
def test_buckets_are_cut_from_the_stream_and_sorted(blocks: list[int], size: int, passes: int) -> None:
    made = drive([Bucket(size, tables=ReopenedTables(()))], passes_of(blocks_of(blocks), passes))
    n = sum(blocks)
    wanted = []
    for _ in range(passes):
        for start in range(0, n, size):
            rows = list(range(n))[start : start + size]
            wanted.append([rows[k] for k in by_size(sizes_of(rows))])
    assert list(numbers_of(made)) == [row for rows in wanted for row in rows]
    borders = {sum(map(len, wanted[:k])) for k in range(len(wanted) + 1)}
    assert set(np.cumsum([len(block) for block in made]).tolist()) <= borders  # buckets are never cut
    assert len(made) <= passes * (len(blocks) + 1)


def test_huge_sizes_are_sorted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SORTED_BY_COUNTING", 2)
    (made,) = drive([Bucket(15, tables=ReopenedTables(()))], blocks_of([30]))
    wanted = [first + k for first in (0, 15) for k in by_size(sizes_of(range(first, first + 15)))]
    assert list(numbers_of([made])) == wanted


def test_blocks_of_many_buckets_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    made = drive([Bucket(4, tables=ReopenedTables(()))], blocks_of([3, 30]))
    assert [len(block) for block in made] == [8, 8, 8, 8, 1]


@pytest.mark.slow
def test_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 9)
    for graph in (
        fl.rows(ToyRecords(40)) >> bucket(16),
        fl.rows(ToyRecords(40)) >> fl.shuffle() >> bucket(7),
    ):
        made = check_stage(graph, epochs=3)
        assert Counter(numbers_of(made)) == dict.fromkeys(range(40), 3)
        assert check_resume(graph, epochs=3) > 10


def test_rows_without_sizes() -> None:
    records = Count(10)
    with pytest.raises(GraphError, match=r"the rows of CountedTable have no sizes; leave bucket\(\) out"):
        drive([Bucket(4, tables=ReopenedTables(()))], [Rows(records.open(), RowRange(0, 10), records)])


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "9"])
def test_bad_sizes(size: Any) -> None:
    with pytest.raises(GraphError, match="bucket: size is"):
        bucket(size)


def test_the_word() -> None:
    (placed,) = bucket(100).nodes()
    assert placed.stage == BucketStage(size=100)
    assert placed.stage.memory(Setting(seed=0, epochs=1, cpus=1)) == 40 * module.AT_ONCE


# --- batches in random order ------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 15), min_size=1, max_size=6),
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
)
def test_batches_are_neighbours_by_size_but_for_one_a_bucket(
    blocks: list[int], size: int, piece: int, passes: int, aligned: bool
) -> None:
    n, size = sum(blocks), -(-size // piece) * piece
    fold = Bucket(size, tables=ReopenedTables(()), piece=piece)
    rows: list[int] = []
    for _ in range(passes):
        rows += numbers_of(drive([fold], passes_of(blocks_of(blocks), 1)))
        if not aligned:
            fold.begun = len(rows) % piece  # as it is without the flush that `drive` ends with
    for number in range(passes):
        own = rows[number * n : (number + 1) * n]
        first = 0 if aligned else number * n % piece
        for start in range(0, n, size):
            bucket_rows = own[start : start + size]
            assert sorted(bucket_rows) == list(range(n))[start : start + size]
            ranks = {row: k for k, row in enumerate(sorted(bucket_rows, key=lambda r: (sizes_of([r]), r)))}
            head = min(-(first + start) % piece, len(bucket_rows))
            for begin in range(head, len(bucket_rows), piece):
                batch = [ranks[row] for row in bucket_rows[begin : begin + piece]]
                assert batch == list(range(batch[0], batch[0] + len(batch)))


def batch_sizes(graph: fl.Graph, **how: Any) -> list[int]:
    """The largest size of every batch."""
    with graph.iterate(**how) as batches:
        return [int(batch["body"].shape[1]) for batch in batches]


def test_sizes_do_not_come_in_order() -> None:
    rows = fl.rows(ToyRecords(400)) >> fl.shuffle()
    plain = rows >> fl.bucket(400) >> fl.batch(10, layout="padded")
    mixed = rows >> fl.bucket(400, shuffle_batches=True) >> fl.batch(10, layout="padded")
    assert batch_sizes(plain) == sorted(batch_sizes(plain))
    found = batch_sizes(mixed)
    assert sorted(found) == sorted(batch_sizes(plain))  # no more padding
    assert found != sorted(found)
    assert found != batch_sizes(mixed, seed=1) != batch_sizes(mixed, seed=1, first_epoch=1)
    assert batch_sizes(mixed, epochs=2)[40:] == batch_sizes(mixed, first_epoch=1)
    assert batch_sizes(mixed, cpus=1) == found


@pytest.mark.slow
def test_shuffled_batches_pass_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 9)
    graph = fl.rows(ToyRecords(43)) >> fl.shuffle() >> bucket(16, shuffle_batches=True) >> fl.batch(4)
    assert check_resume(graph, epochs=3) > 10


@pytest.mark.parametrize("align", [False, True])
def test_shuffled_batches_go_on_from_a_state(align: bool) -> None:
    graph = fl.rows(ToyRecords(43)) >> fl.shuffle() >> bucket(16, shuffle_batches=True) >> fl.batch(4)

    def given(stop: int | None = None, state: Any = None) -> tuple[list[list[int]], Any]:
        with graph.iterate(seed=3, epochs=3, align=align, state=state) as batches:
            numbers = range(99 if stop is None else stop)
            found = [batch["row"].tolist() for _, batch in zip(numbers, batches, strict=False)]
            return found, batches.state_dict()

    whole, _ = given()
    assert len(whole) == 33
    for stop in (1, 7, 11, 12, 25):
        begun, state = given(stop)
        assert begun + given(state=state)[0] == whole


@pytest.mark.parametrize("lanes", [None, 4])
def test_ranks_take_turns_within_a_batch_of_all(lanes: int | None) -> None:
    def widths(rank: int, *, mixed: bool = True) -> list[int]:
        ranked = fl.shard(rank, world=2, lanes=lanes) >> fl.batch(5, layout="padded")
        return batch_sizes(fl.rows(ToyRecords(200)) >> fl.bucket(100, shuffle_batches=mixed) >> ranked)

    assert len(widths(0)) == 20
    assert widths(0) == widths(1)  # at every step, rows of the same neighbours
    assert widths(0) != sorted(widths(0))
    assert sorted(widths(0)) == sorted(widths(0, mixed=False))  # and none of two pieces


def test_shuffled_batches_need_batches() -> None:
    rows = fl.rows(ToyRecords(40))
    with (
        pytest.raises(GraphError, match=r"shuffle_batches=True needs a batch\(size\) behind it"),
        (rows >> bucket(16, shuffle_batches=True)).iterate() as blocks,
    ):
        list(blocks)
    wrong: Any = "yes"
    with pytest.raises(GraphError, match="shuffle_batches is 'yes'; wanted True or False"):
        bucket(16, shuffle_batches=wrong)
