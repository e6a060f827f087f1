"""Columns that go together, by whatever they are stored in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Missing, Numbers
from flowload.errors import DataError, GraphError, MissingExtra
from flowload.formats.missing import check_missing
from flowload.formats.rows.columns import ColumnTable, check_path, import_extra, pairs_of
from flowload.formats.rows.npy import MappedColumn
from flowload.stages.rows.selection import RowList
from tests.stages.fakes import FakeCall


class Noted(MappedColumn):
    """Says when it was closed."""

    def __init__(self, where: str, array: NDArray[Any], told: list[str]) -> None:
        super().__init__(where, array)
        self.told = told

    def close(self) -> None:
        self.told.append(self.where)


def test_rows_of_each_column() -> None:
    told: list[str] = []
    arrays = {"x": np.arange(6.0).reshape(3, 2), "y": np.array([7, 8, 9], ">i2")}
    table = ColumnTable(
        {key: Noted(key, array, told) for key, array in arrays.items()}, lambda: told.append("end")
    )
    assert len(table) == 3
    rows = np.array([2, 0])
    fields = table.fields("arrays", rows)
    assert fields == {"x": ((2,), np.dtype("f8")), "y": ((), np.dtype("i2"))}
    out = {key: np.zeros((2, *shape), dtype) for key, (shape, dtype) in fields.items()}
    assert table.write("arrays", rows, out, FakeCall()) == {}
    assert out["x"].tolist() == [[4, 5], [0, 1]]
    assert out["y"].tolist() == [9, 7]
    assert table.describe(1) == "x, row 1"
    assert not told
    table.close()
    assert told == ["x", "y", "end"]


def test_columns_that_do_not_go_together_are_closed() -> None:
    told: list[str] = []
    columns = {"x": Noted("x", np.zeros(3), told), "y": Noted("y", np.zeros(4), told)}
    with pytest.raises(
        DataError, match="y: columns of different length; found 4 rows; wanted 3 rows, as in x"
    ):
        ColumnTable(columns, lambda: told.append("end"))
    assert told == ["x", "y", "end"]
    for array in (np.array(1.0), np.array([{}], object)):
        with pytest.raises(DataError, match=r"x: array of another kind; found .*; wanted numbers, one row"):
            ColumnTable({"x": MappedColumn("x", array)})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ("a", (("a", "a"),)),
        (Path("d/a"), (("d/a", "d/a"),)),
        (["a", Path("b")], (("a", "a"), ("b", "b"))),
        ({"x": "a", "y": Path("b")}, (("x", "a"), ("y", "b"))),
        ((("x", "a"), "b"), (("x", "a"), ("b", "b"))),
    ],
)
def test_names_by_key(given: Any, wanted: Any) -> None:
    assert pairs_of(given, "arrays") == wanted
    if wanted is not None:
        assert pairs_of(wanted, "arrays") == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "arrays are 3; wanted names, or names by key of the batch"),
        ([], "arrays: none are named"),
        ([3], r"arrays: \(3, 3\) is no name"),
        ([("a", "b", "c")], r"arrays: \('a', 'b', 'c'\) is no name"),
        (["a", "a"], r"arrays: a name comes twice in \['a', 'a'\]"),
    ],
)
def test_what_are_no_names(given: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        pairs_of(given, "arrays")


def test_paths() -> None:
    assert check_path(Path("a/b"), "X") == check_path("a/b", "X") == "a/b"
    with pytest.raises(GraphError, match="X: path is None; wanted a path"):
        check_path(None, "X")


def test_libraries() -> None:
    assert import_extra("json", "json").loads("1") == 1
    with pytest.raises(
        MissingExtra, match=r"no_such_library is not installed; try: pip install 'flowload\[x\]'"
    ):
        import_extra("no_such_library", "x")


def test_a_library_that_lacks_another_says_so_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        import_extra("broken_library", "x")
    assert not isinstance(caught.value, MissingExtra)


class Holed:
    """A column of which only the rows below `end` were ever stored."""

    def __init__(self, where: str, end: int) -> None:
        self.where, self.end = where, end
        self.shape, self.dtype = (6,), np.dtype(np.int64)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        out[:] = np.where(rows < self.end, rows, -1)

    def absent(self, rows: Numbers) -> NDArray[np.bool_] | None:
        return rows >= self.end if self.end < 6 else None

    def lack(self, row: int | None = None) -> DataError:
        found = f"{self.end} rows" if row is None else f"{self.end} rows, not row {row}"
        return DataError("missing", where=self.where, found=found, wanted="6 rows")

    def close(self) -> None:
        pass


def holed(missing: Missing = "fill") -> ColumnTable:
    columns = {"a": Holed("f: a", 4), "whole": Holed("f: whole", 6), "b": Holed("f: b", 2)}
    return ColumnTable(columns, missing=missing)


ROWS = np.array([5, 0, 3, 1], np.int64)


def test_rows_that_lack_data_are_filled_and_counted_once_each_and_told_for_each_column() -> None:
    call, table = FakeCall(), holed()
    assert table.usable(ROWS, call) is ROWS
    out = {key: np.empty(4, np.int64) for key in table.columns}
    assert table.write_many("arrays", RowList(ROWS), 4, out, call) is not None
    assert (out["a"].tolist(), out["b"].tolist()) == ([-1, 0, 3, 1], [-1, 0, -1, 1])
    assert [(what.where, count) for what, count in call.lacks] == [("f: a", 1), ("f: b", 1)]


def test_nothing_is_told_where_nothing_is_missing() -> None:
    call, table = FakeCall(), holed("raise")
    rows = np.array([0, 1], np.int64)
    out = {key: np.empty(2, np.int64) for key in table.columns}
    assert table.usable(rows, call) is rows
    assert table.write_many("arrays", RowList(rows), 2, out, call) is not None
    assert call.lacks == []


def test_rows_that_lack_data_are_skipped_and_counted_by_that_reason() -> None:
    call, table = FakeCall(), holed("skip")
    assert table.write_many("arrays", RowList(ROWS), 4, {}, call) is None
    assert table.usable(ROWS, call).tolist() == [0, 1]
    assert call.drops == {"missing": 2}
    assert call.lacks == []


def test_rows_that_lack_data_are_an_error_that_names_row_and_set() -> None:
    table = holed("raise")
    assert table.write_many("arrays", RowList(ROWS), 4, {}, FakeCall()) is None
    with pytest.raises(DataError, match=r"^f: a, row 5: missing; found 4 rows, not row 5; wanted 6 rows$"):
        table.usable(ROWS, FakeCall())
    call = FakeCall(on_error="skip")
    assert table.usable(ROWS, call).tolist() == [0, 1]
    assert call.drops == {"missing": 2}


@pytest.mark.parametrize("wrong", ["zero", None, 0, ["fill"], np.array(["fill"])])
def test_there_are_three_ways(wrong: object) -> None:
    with pytest.raises(GraphError, match=r'^X: missing is .*; wanted "fill", "raise" or "skip"$'):
        check_missing(wrong, "X")
    assert check_missing("skip", "X") == "skip"
