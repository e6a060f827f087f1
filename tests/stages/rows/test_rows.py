"""The rows of records, in order, by reference; the records are opened once a run, and closed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.records import Numbers
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.guard import Guard
from flowload.stages.rows.arrays import Arrays, Count
from flowload.stages.rows.rows import BLOCK, RowsSource, RowsStage, rows, screened
from flowload.stages.rows.selection import RowRange
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords, ToyTable, numbers_of


class Watched(ToyRecords):
    """Remembers the tables that it opened."""

    def open(self) -> ToyTable:
        table = super().open()
        TABLES.append(table)
        return table


TABLES: list[ToyTable] = []


@pytest.fixture(autouse=True)
def no_tables() -> None:
    TABLES.clear()


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_every_row_once_in_order(n: int) -> None:
    made = list(RowsSource(ToyRecords(n)).epoch(0, FakeCall()))
    assert list(numbers_of(made)) == list(range(n))
    assert len(made) == -(-n // BLOCK)


def test_a_run_opens_once_and_closes_once() -> None:
    with (rows(Watched(30)) >> fl.shuffle() >> fl.batch(4)).iterate(epochs=3) as run:
        assert sum(len(batch["row"]) for batch in run) == 90
    assert [table.closed for table in TABLES] == [1]


def test_it_is_closed_when_the_run_is_left_early_or_never_read() -> None:
    with (rows(Watched(30)) >> fl.batch(4)).iterate(epochs=None) as run:
        next(iter(run))
    assert [table.closed for table in TABLES] == [1]
    RowsSource(Watched(3)).close()
    assert len(TABLES) == 1


@pytest.mark.slow
def test_a_restored_run_closes_what_it_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 8)
    graph = rows(Watched(30)) >> fl.shuffle() >> fl.bucket(9) >> fl.shard(0, 2) >> fl.batch(4)
    check_resume(graph, epochs=2)
    assert {table.closed for table in TABLES} == {1}


def test_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 4)
    for indices in (None, [9, 9, 0, 3, 2, 1, 7, 0, 0]):
        graph = rows(ToyRecords(10), indices=indices)
        assert list(numbers_of(check_stage(graph, epochs=2))) == (indices or list(range(10))) * 2
        assert check_resume(graph, epochs=3) == 3 * 4 + 1


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda found: np.array(found, np.uint8), "file"])
def test_chosen_rows(kind: Any, tmp_path: Path) -> None:
    chosen: Any = [5, 5, 1]
    if kind == "file":
        np.save(tmp_path / "rows.npy", chosen)
        chosen = tmp_path / "rows.npy"
    else:
        chosen = kind(chosen)
    with (rows(ToyRecords(6), indices=chosen) >> fl.batch(2)).iterate() as run:
        assert [batch["row"].tolist() for batch in run] == [[5, 5], [1]]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.array([0, 6]), r"rows: indices: no such row; found row 6 at place 1; wanted 0 to 5"),
        (np.array([-1]), r"no such row; found row -1 at place 0"),
        (np.array([2**63], np.uint64), r"no such row"),
        (np.array([0.5]), r"not row numbers; found float64\[1\]"),
        (np.zeros((2, 2), int), r"not row numbers; found int64\[2, 2\]"),
        (np.array([], int), r"no row numbers; found 0 rows; wanted at least one"),
        ("absent.npy", r"absent.npy: no such file"),
    ],
)
def test_rows_that_cannot_be_chosen(indices: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(RowsSource(ToyRecords(6), indices).epoch(0, FakeCall()))


@pytest.mark.parametrize("indices", [3, {1}, ["a"], 1.5])
def test_what_are_no_indices(indices: object) -> None:
    with pytest.raises(GraphError, match=r"rows: indices are .*; wanted an array of row numbers, or a"):
        rows(10, indices=indices)


def test_no_rows_at_all() -> None:
    message = r"Watched\(n=0, bad=\(\)\): no records; found 0 rows"
    with (
        pytest.raises(NoDataError, match=message),
        (rows(Watched(0)) >> fl.batch(2)).iterate() as run,
    ):
        next(run)
    assert [table.closed for table in TABLES] == [1]


def test_other_records_than_when_it_was_saved() -> None:
    source = RowsSource(ToyRecords(6))
    list(source.epoch(0, FakeCall()))
    again = RowsSource(ToyRecords(7))
    again.restore(source.state())
    with pytest.raises(NoDataError, match=r"other records than when .*; found 7 rows; wanted 6 rows"):
        list(again.epoch(1, FakeCall()))


@pytest.mark.parametrize("records", [1.5, None, object()])
def test_what_is_no_records(records: Any) -> None:
    with pytest.raises(GraphError, match="is not records; wanted an object such as"):
        rows(records)


@pytest.mark.parametrize("n", [0, -3, True])
def test_bad_counts(n: int) -> None:
    with pytest.raises(GraphError, match=r"rows: n is (0|-3|True); wanted a number from 1"):
        rows(n)


def test_what_the_word_takes() -> None:
    def records(given: Any) -> Any:
        stage = rows(given).nodes()[0].stage
        assert isinstance(stage, RowsStage)
        return stage.records

    assert records(7) == Count(7)
    assert records(np.int64(7)) == Count(7)
    assert isinstance(records({"x": np.zeros(3)}), Arrays)
    assert records(ToyRecords(3)) == ToyRecords(3)
    assert rows(7).nodes()[0].stage.gives([]) == {"out": Rows}


def test_drawings_of_rows_are_compared_by_what_they_say() -> None:
    assert rows(7) == rows(7) != rows(8)
    assert rows(7, indices=[1]) == rows(7, indices=[1]) != rows(7, indices=[2])
    chosen: Sequence[int] = range(3)
    assert rows(7, indices=chosen) != rows(7)


def test_how_far_it_is() -> None:
    source = RowsSource(ToyRecords(9), np.arange(4))
    assert source.gauges() == {}
    assert len(list(source.epoch(1, FakeCall()))) == 1
    assert source.gauges() == {"passes_done": 1, "pass_done": 1.0}


class Picky(ToyRecords):
    """Wants rows of one size alone."""

    def open(self) -> PickyTable:
        return PickyTable(self)


class PickyTable(ToyTable):
    def screen(self, rows: Numbers) -> tuple[Numbers, dict[str, int]]:
        wanted: Numbers = rows[self.sizes(rows) == 3]
        return wanted, {"another size": len(rows) - len(wanted)}


@pytest.mark.parametrize(("n", "size"), [(5, 4), (60, 4), (BLOCK + 9, 1000)])
def test_rows_that_nobody_wants_are_dropped_and_counted_where_rows_begin(n: int, size: int) -> None:
    wanted = [row for row in range(n) if row * 7 % 5 == 2]
    graph = rows(Picky(n)) >> fl.shuffle() >> fl.batch(size, drop_last=True)
    with graph.iterate(epochs=2) as run:
        sizes = [len(batch["row"]) for batch in run]
    assert sizes == [size] * (2 * len(wanted) // size)
    stats = run.stats().stages
    assert stats["rows"].dropped == {"another size": 2 * (n - len(wanted))}
    assert (stats["rows"].in_, stats["rows"].out) == (2 * n, 2 * len(wanted))
    made = list(RowsSource(Picky(n)).epoch(0, FakeCall()))
    assert list(numbers_of(made)) == wanted
    assert sum(block.nbytes for block in made) <= 4 * len(wanted)
    source = RowsSource(Picky(60), np.array([1, 0, 1, 2, 6]))
    call = FakeCall()
    assert list(numbers_of(source.epoch(0, call))) == [1, 1, 6]
    assert call.drops == {"another size": 2}


def test_what_was_dropped_is_not_counted_again_by_a_pass_that_goes_on() -> None:
    source, call = RowsSource(Picky(60)), FakeCall()
    source.restore({"epoch": 0, "given": 4, "rows": 60})
    assert list(numbers_of(source.epoch(0, call))) == [row for row in range(60) if row * 7 % 5 == 2][4:]
    assert not call.drops
    assert all(
        isinstance(picks, RowRange) for picks in [screened(ToyTable(ToyRecords(9)), RowRange(0, 9))[0]]
    )


@pytest.mark.parametrize("n", [2**40 + 1, 2**62, 2**63, 2**70])
def test_more_rows_than_any_disk_holds_are_refused_at_once(n: int) -> None:
    with pytest.raises(GraphError, match=r"rows: n is \d+; wanted at most 1,099,511,627,776"):
        fl.rows(n)
    if n < 2**63:
        source = RowsSource(ToyRecords(n))
        with pytest.raises(
            DataError, match=r"too many rows; found .* rows; wanted at most 1,099,511,627,776"
        ):
            next(source.epoch(0, FakeCall()))


class Changing(ToyRecords):
    """Records whose files change after they were opened."""

    def open(self) -> ToyTable:
        table = super().open()
        table.guard = Raises()  # type: ignore[attr-defined]  # a table may have one
        return table


class Raises(Guard):
    def check(self) -> None:
        raise DataError("file changed", where="x")


def test_files_are_looked_at_with_every_pass_but_the_first_and_at_the_end() -> None:
    source = RowsSource(Changing(5))
    source.check_files()  # nothing is open
    assert len(list(source.epoch(0, FakeCall()))) == 1
    with pytest.raises(DataError, match="x: file changed"):
        next(source.epoch(1, FakeCall()))
    with pytest.raises(DataError, match="x: file changed"):
        source.check_files()
