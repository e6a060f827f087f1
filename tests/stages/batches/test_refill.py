"""Batches are full whatever is left out while they are made, in the order of the rows that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.abc.operators import Call
from flowload.abc.record_powers import Gathered, Uniform
from flowload.abc.records import Fields, Numbers, Picks
from flowload.blocks import Rows
from flowload.errors import DataError, TooManyErrors
from flowload.stages.batches.arrays.collate import BatchParts
from flowload.stages.batches.arrays.written import CollateUsable
from flowload.stages.rows.selection import RowRange
from flowload.testing import check_resume, check_stage
from tests.stages.batches.cut_rows import arrays, cut
from tests.stages.fakes import FakeCall


@dataclass(frozen=True)
class Patchy:
    """Rows 0 to n-1 of which some are bad; how it shows differs with the row.

    Row r is left out by `usable`, which drops (r % 3 == 0) or rejects it (1), or cannot be written (2). The
    rows of `thin` are given, and counted as missing something.
    """

    n: int
    bad: tuple[int, ...] = ()
    thin: tuple[int, ...] = ()
    alike: bool = True
    whole: bool = False

    name: ClassVar[str] = "patchy"
    layouts: ClassVar[Sequence[str]] = ("rows",)

    def fields(self, layout: str) -> Fields:
        return {"row": ((), np.dtype(np.int64))}

    def open(self) -> PatchyTable:
        return PatchyTable(self)


class PatchyTable:
    layouts: Sequence[str] = Patchy.layouts
    swift = False

    def __init__(self, records: Patchy) -> None:
        self.records = records
        self.reads = 0

    def __len__(self) -> int:
        return self.records.n

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        bad = np.isin(rows, self.records.bad)
        dropped, rejected = bad & (rows % 3 == 0), bad & (rows % 3 == 1)
        call.drop(int(dropped.sum()), "dropped")
        for row in rows[rejected].tolist():
            call.reject(DataError("rejected", where=f"row {row}"))
        kept: Numbers = rows[~dropped & ~rejected]
        return kept

    def fields(self, layout: str, rows: Numbers) -> Fields:
        return self.records.fields(layout)

    def write(
        self, layout: str, rows: Numbers, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Mapping[str, NDArray[Any]]:
        self.reads += len(rows)
        call.missing(int(np.isin(rows, self.records.thin).sum()), DataError("missing", where="here"))
        bad = rows[np.isin(rows, self.records.bad)]
        if len(bad):
            raise DataError("unreadable", where=f"row {bad[0]}")
        out["row"][:] = rows
        return {"count": np.array([len(rows)])} if self.records.whole else {}

    most = Uniform.most
    write_varied = Uniform.write_varied

    def alike(self, layout: str) -> bool:
        return self.records.alike

    def write_many(
        self, layout: str, picks: Picks, size: int, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Gathered | None:
        whole = self.write(layout, picks.array(), out, call)
        return Gathered({"count": np.array([size])} if whole else {})

    def describe(self, row: int) -> str:
        return f"row {row}"

    def close(self) -> None:
        pass


def delivered(graph: fl.Graph, **how: Any) -> tuple[list[list[int]], Any]:
    with graph.iterate(**how) as run:
        batches = [dict(batch) for batch in run]
    for batch in batches:
        assert batch.get("count", [len(batch["row"])])[0] == len(batch["row"])
    assert run.stats().finished
    return [batch["row"].tolist() for batch in batches], run.stats().stages["batch"]


BAD = st.sets(st.integers(0, 99), max_size=40)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 100),
    size=st.integers(1, 20),
    bad=BAD,
    thin=BAD,
    kind=st.sampled_from([(True, False), (True, True), (False, False), (False, True)]),
    drop_last=st.booleans(),
    bundled=st.booleans(),
    workers=st.integers(1, 4),
)
def test_the_good_rows_in_their_order_cut_to_size(
    n: int, size: int, bad: set[int], thin: set[int], kind: tuple[bool, bool], drop_last: bool, bundled: bool,
    workers: int,
) -> None:  # fmt: skip
    records = Patchy(n, tuple(sorted(bad)), tuple(sorted(thin)), *kind)
    graph = fl.rows(records) >> fl.batch(size, drop_last=drop_last, on_error="skip", workers=workers)
    good = [row for row in range(n) if row not in bad]
    wanted = cut(good, size, drop_last=drop_last)
    got, stats = delivered(graph if bundled else graph >> fl.map(lambda batch: batch), epochs=1)
    assert got == wanted
    lost = n - len(good)
    partial = len(good) - sum(map(len, wanted))
    assert sum(stats.dropped.values()) == lost + partial
    assert stats.dropped.get("partial batch", 0) == partial
    assert (stats.in_, stats.out, stats.held) == (n, sum(map(len, wanted)), 0)
    assert stats.missing == len(thin & set(good))  # each once, however often it was written


@pytest.mark.parametrize("workers", [1, 4])
def test_passes_share_a_batch_and_it_is_full(workers: int) -> None:
    records = Patchy(37, (0, 3, 4, 5, 20, 36))
    graph = fl.rows(records) >> fl.batch(8, on_error="skip", workers=workers)
    good = [row for row in range(37) if row not in records.bad]
    assert delivered(graph, epochs=3)[0] == cut(good * 3, 8)


def test_drops_that_are_no_errors_leave_full_batches_too() -> None:
    records = Patchy(40, (0, 3, 6, 21, 39))
    got, stats = delivered(fl.rows(records) >> fl.batch(8, drop_last=True))
    assert got == cut([row for row in range(40) if row not in records.bad], 8, drop_last=True)
    assert stats.dropped == {"dropped": 5, "partial batch": 3}


def test_an_error_ends_the_run_where_none_is_skipped() -> None:
    for row, reason in ((4, "rejected"), (5, "unreadable")):
        with pytest.raises(DataError, match=f"row {row}: {reason}"):
            delivered(fl.rows(Patchy(40, (row,))) >> fl.batch(8))


def test_the_budget_counts_rows_not_batches() -> None:
    graph = fl.rows(Patchy(64, (1, 2, 34))) >> fl.batch(16, on_error="skip", max_errors=3)
    assert sum(map(len, delivered(graph)[0])) == 61
    with pytest.raises(TooManyErrors, match="found 3; wanted at most 2"):
        delivered(fl.rows(Patchy(64, (1, 2, 34))) >> fl.batch(16, on_error="skip", max_errors=2))


@pytest.mark.parametrize("alike", [True, False])
def test_nothing_is_read_twice_before_the_first_bad_row(alike: bool) -> None:
    for bad, most in (((), 640), ((638,), 640 + 8 * 16)):
        table = PatchyTable(Patchy(640, bad, alike=alike))
        encode, call = CollateUsable(None, None), FakeCall(on_error="skip")
        for first in range(0, 640, 16):
            made = encode.apply(BatchParts((Rows(table, RowRange(first, first + 16)),)), call)
            assert made is not None
            assert (made.finished is None) == (first == 624 and bool(bad))
        assert 640 <= table.reads <= most


@pytest.mark.parametrize("bundled", [True, False])
def test_arrays_of_good_rows_are_joined_and_not_read_again(bundled: bool) -> None:
    together = 16 * (64 if bundled else 1)  # rows that are written at once
    table = PatchyTable(Patchy(8 * together, (1,)))
    graph = fl.rows(Opened(table)) >> fl.batch(16, on_error="skip")
    got, _ = delivered(graph if bundled else graph >> fl.map(lambda batch: batch))
    assert sum(map(len, got)) == 8 * together - 1
    assert table.reads < (8 + 7) * together  # those with the bad one a few times, the others once


@dataclass(frozen=True, eq=False)
class Opened:
    """Records of one table, so that a test can look at it."""

    table: PatchyTable
    name: ClassVar[str] = "patchy"
    layouts: ClassVar[Sequence[str]] = ("rows",)

    def fields(self, layout: str) -> Fields:
        return {}

    def open(self) -> PatchyTable:
        return self.table


@pytest.mark.slow
@pytest.mark.parametrize("kind", [(True, False), (True, True), (False, False)])
def test_it_passes_the_exam_and_goes_on_from_any_cut(kind: tuple[bool, bool]) -> None:
    records = Patchy(61, (0, 3, 4, 5, 17, 30, 59), (), *kind)
    table = records.open()
    blocks = [Rows(table, RowRange(a, b), records) for a, b in ((0, 7), (7, 20), (20, 21), (21, 61))]
    stage = fl.batch(6, on_error="skip")
    check_stage(stage, blocks)
    check_resume(fl.rows(records) >> stage)


def test_of_two_tables_too() -> None:
    one, other = Patchy(20, (1, 2)), Patchy(21, (3, 20))
    heads = [fl.rows(one), fl.rows(other)]
    got, _ = delivered(heads >> fl.merge() >> fl.batch(8, on_error="skip"))
    assert [len(batch) for batch in got] == [8, 8, 8, 8, 5]
    assert sorted(row for batch in got for row in batch) == sorted(
        [row for row in range(20) if row not in one.bad] + [row for row in range(21) if row not in other.bad]
    )


def test_arrays_that_do_not_fit_are_left_out_alone() -> None:
    blocks = [arrays(3, 2), arrays(2, 2), arrays(4, 5), arrays(1, 2), arrays(2, 2)]
    graph = fl.source(lambda: iter(blocks)) >> fl.batch(4, on_error="skip")
    with graph.iterate() as run:
        assert [batch["x"][:, 0].tolist() for batch in run] == [[3, 3, 3, 2], [2, 1, 2, 2]]
    assert run.stats().stages["batch"].dropped == {"unlike samples": 4}
    with (
        pytest.raises(DataError, match=r"unlike samples; found x int64\[5\]; wanted x int64\[2\]"),
        (fl.source(lambda: iter(blocks)) >> fl.batch(4)).iterate() as run,
    ):
        list(run)
