"""TileDB rows are what tiledb itself reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.rows.tiledb import TileDbRows
from flowload.formats.rows.tiledb_written import unwritten_rows
from tests.formats.rows.oracle import check_records, opened_by_a_child, read
from tests.stages.fakes import FakeCall

tiledb = pytest.importorskip("tiledb")

N = 50
RNG = np.random.default_rng(0)
WIDE = {
    "x": RNG.standard_normal((N, 3, 4)).astype(np.float32),
    "y": RNG.integers(-9, 9, (N, 3, 4)).astype("i2"),
}


def write(path: Path, arrays: dict[str, Any], *, first: int = 0, tile: int = 7, sparse: bool = False) -> Path:
    shape = next(iter(arrays.values())).shape
    starts = [first] + [0] * (len(shape) - 1)
    dims = [
        tiledb.Dim(f"d{k}", (a, a + size - 1), min(size, tile if k == 0 else size), dtype=np.int64)
        for k, (a, size) in enumerate(zip(starts, shape, strict=True))
    ]
    attributes = [tiledb.Attr(key, dtype=array.dtype) for key, array in arrays.items()]
    tiledb.Array.create(str(path), tiledb.ArraySchema(tiledb.Domain(*dims), attributes, sparse=sparse))
    if not sparse:
        with tiledb.open(str(path), "w") as array:
            array[:] = arrays if len(arrays) > 1 or "" not in arrays else arrays[""]
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("first", "tile"), [(0, 7), (5, 7), (0, N), (-3, 1)])
def test_every_attribute(first: int, tile: int, tmp_path: Path) -> None:
    records = TileDbRows(write(tmp_path / "a", WIDE, first=first, tile=tile))
    check_records(records, WIDE)
    assert first != 5 or opened_by_a_child(records)


@pytest.mark.slow
def test_attributes_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a", WIDE)
    check_records(TileDbRows(path, "y"), {"y": WIDE["y"]})
    check_records(TileDbRows(path, {"target": "y", "input": "x"}), {"target": WIDE["y"], "input": WIDE["x"]})


@pytest.mark.slow
def test_one_number_a_row_and_no_name(tmp_path: Path) -> None:
    numbers = np.arange(N, dtype=np.float64)
    check_records(TileDbRows(write(tmp_path / "a", {"n": numbers})), {"n": numbers})
    tiledb.from_numpy(str(tmp_path / "b"), WIDE["x"]).close()
    check_records(TileDbRows(tmp_path / "b"), {"x": WIDE["x"]})


@pytest.mark.parametrize("kind", ["var", "nullable", "enum"])
def test_attributes_whose_cells_are_no_numbers(kind: str, tmp_path: Path) -> None:
    made = {
        "var": {"attr": tiledb.Attr("x", dtype="f4", var=True)},
        "nullable": {"attr": tiledb.Attr("x", dtype="i4", nullable=True)},
        "enum": {
            "attr": tiledb.Attr("x", dtype="i4", enum_label="labels"),
            "enums": [tiledb.Enumeration("labels", False, [10, 20, 30])],
        },
    }[kind]
    domain = tiledb.Domain(tiledb.Dim("i", (0, N - 1), 7, dtype=np.int64))
    schema = tiledb.ArraySchema(domain, [made["attr"]], enums=made.get("enums"))
    tiledb.Array.create(str(tmp_path / "a"), schema)
    found = {"var": "cells of any length", "nullable": "may have no value", "enum": "enumeration 'labels'"}
    with pytest.raises(DataError, match=rf"a: x: array of another kind; found .*{found[kind]}"):
        TileDbRows(tmp_path / "a").open()


# ---- cells that were never written


def parts(path: Path, written: list[tuple[tuple[int, int], ...]], *, first: int = 0) -> Path:
    """An array of 12 rows of 3 x 2, of which some boxes hold ones; the rest is the fill value, -7."""
    shape = (12, 3, 2)
    dims = [
        tiledb.Dim(f"d{k}", (first, first + size - 1), min(size, 5), dtype=np.int64)
        for k, size in enumerate(shape)
    ]
    attribute = tiledb.Attr("x", dtype="f8", fill=-7.0)
    tiledb.Array.create(str(path), tiledb.ArraySchema(tiledb.Domain(*dims), [attribute]))
    for box in written:
        with tiledb.open(str(path), "w") as array:
            place = tuple(slice(first + a, first + b) for a, b in box)
            array[place] = np.ones([b - a for a, b in box])
    return path


WRITTEN: dict[str, list[tuple[tuple[int, int], ...]]] = {
    "the beginning": [((0, 5), (0, 3), (0, 2))],
    "the ends": [((0, 2), (0, 3), (0, 2)), ((9, 12), (0, 3), (0, 2))],
    "overlapping": [((0, 6), (0, 3), (0, 2)), ((3, 8), (0, 3), (0, 2))],
    "a part of each row": [((0, 12), (0, 2), (0, 2))],
    "rows in pieces": [((0, 7), (0, 2), (0, 2)), ((2, 12), (2, 3), (0, 1)), ((3, 9), (1, 3), (1, 2))],
    "all, in pieces": [((0, 12), (0, 3), (0, 1)), ((0, 7), (0, 3), (1, 2)), ((7, 12), (0, 3), (1, 2))],
}


@pytest.mark.parametrize("what", WRITTEN)
@pytest.mark.parametrize("first", [0, 4])
def test_cells_that_were_never_written(what: str, first: int, tmp_path: Path) -> None:
    path = parts(tmp_path / "a", WRITTEN[what], first=first)
    table = TileDbRows(path).open()
    values = read(table, range(12))["x"]
    table.close()
    gone = np.array([bool((row == -7).any()) for row in values])
    with (fl.rows(TileDbRows(path)) >> fl.batch(5)).iterate() as run:
        np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in run]), values)
    assert run.stats().stages["batch"].missing == gone.sum()
    with (fl.rows(TileDbRows(path, missing="skip")) >> fl.batch(5)).iterate() as run:
        found = [batch["x"] for batch in run]
    assert sum(map(len, found)) == (~gone).sum()
    assert run.stats().stages["rows"].dropped == ({"missing": gone.sum()} if gone.any() else {})
    if gone.any():
        message = rf"a: x, row {gone.argmax()}: missing; found {gone.sum()} of 12 rows with cells"
        with (
            pytest.raises(DataError, match=message),
            (fl.rows(TileDbRows(path, missing="raise")) >> fl.batch(5)).iterate() as run,
        ):
            list(run)


boxes = st.lists(
    st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted).map(tuple) for n in (6, 3, 2))),
    max_size=6,
)


@given(boxes)
def test_rows_in_no_box_as_a_mask_says(written: list[Any]) -> None:
    mask = np.zeros((6, 3, 2), bool)
    for box in written:
        mask[tuple(slice(a, b) for a, b in box)] = True
    found = unwritten_rows([box for box in written if all(a < b for a, b in box)], mask.shape)
    wanted = np.array([not row.all() for row in mask])
    rows = np.array([5, 0, 3, 1, 4, 2, 2])
    assert (np.zeros(7, bool) if found is None else found.absent(rows)).tolist() == wanted[rows].tolist()
    assert (0 if found is None else len(found)) == wanted.sum()
    assert (found is None) == (not wanted.any())


def test_an_attribute_that_came_later(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a", {"x": np.ones(N)}))
    evolution = tiledb.ArraySchemaEvolution(tiledb.default_ctx())
    evolution.add_attribute(tiledb.Attr("z", dtype="f8"))
    evolution.array_evolve(path)
    with tiledb.open(path, "w") as array:
        array[10:14] = {"x": np.full(4, 2.0), "z": np.full(4, 3.0)}
    table = TileDbRows(path).open()
    call = FakeCall()
    out = {key: np.empty(N) for key in ("x", "z")}
    table.write("arrays", np.arange(N), out, call)
    table.close()
    assert [(what.where, count) for what, count in call.lacks] == [(f"{path}: z", N - 4)]


@pytest.mark.parametrize("missing", ["fill", "skip", "raise"])
def test_an_array_of_which_nothing_exists(missing: Any, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"a: x: never written; found no fragment; wanted some"):
        TileDbRows(parts(tmp_path / "a", []), missing=missing).open()


def test_bad_arrays(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: no TileDB array; found .*does not exist"):
        TileDbRows(tmp_path / "absent").open()
    with pytest.raises(DataError, match="array of another kind; found a sparse array; wanted a dense one"):
        TileDbRows(write(tmp_path / "sparse", WIDE, sparse=True)).open()
    path = write(tmp_path / "a", WIDE)
    with pytest.raises(DataError, match="no such attribute; found x, y; wanted z"):
        TileDbRows(path, "z").open()
    for data in path.rglob("a0.tdb"):
        data.write_bytes(data.read_bytes()[:30])
    table = TileDbRows(path, "x").open()
    with pytest.raises(DataError, match=r"a: x, rows 3 to 3: unreadable; found ."):
        read(table, [3])
    table.close()


def test_bad_parameters() -> None:
    with pytest.raises(GraphError, match="TileDbRows: path is 3; wanted a path"):
        TileDbRows(3)
    with pytest.raises(GraphError, match="TileDbRows: missing is 'zero'; wanted"):
        TileDbRows("a", missing="zero")  # type: ignore[arg-type]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.formats.rows.columns.import_module", absent)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'flowload[tiledb]'")):
        TileDbRows("a").open()


def test_a_path_is_taken_from_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TileDB takes it from the one in which the process used it first."""
    for number, folder in enumerate(("one", "other")):
        (tmp_path / folder).mkdir()
        tiledb.from_numpy(str(tmp_path / folder / "array"), np.full((4, 2), number)).close()
        monkeypatch.chdir(tmp_path / folder)
        with (fl.rows(TileDbRows("array")) >> fl.batch(4)).iterate() as batches:
            assert (next(batches)["x"] == number).all()
