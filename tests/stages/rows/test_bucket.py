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
