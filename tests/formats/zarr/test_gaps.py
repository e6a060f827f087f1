"""Chunks that do not exist: counted in samples and told once for each array; or an error; or dropped."""

from __future__ import annotations

import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.rows.zarr import ZarrRows
from flowload.observe.stats import StageStats
from tests.formats.recordings.made import numbers, write_array, zipped
from tests.stages.fakes import FakeCall

DATA = numbers((60, 6))
FILLED = DATA.copy()
FILLED[8:12, 3:] = 0
FILLED[40:48] = 0


def stored(where: str, tmp_path: Path) -> str:
    """The array, of which 12 rows lack something, in a place of some kind."""
    path = tmp_path / "x" / "a.zarr"
    shards: dict[str, Any] = {"shards": (8, 6)} if "shard" in where else {}
    if shards:  # what holds the fill value is not written: chunks inside of a shard, and a whole shard
        write_array(path, FILLED, (4, 3), codec="zstd", **shards)
    else:
        write_array(path, DATA, (4, 3), codec="zstd")
        for name in ("2/1", "10/0", "10/1", "11/0", "11/1"):
            (path / "c" / name).unlink()
    if "url" in where:
        pytest.importorskip("fsspec")
        return f"local://{path}"
    if "zip" in where:
        kind = zipfile.ZIP_DEFLATED if "deflated" in where else zipfile.ZIP_STORED
        made = zipped(path.parent, kind)
        return f"{made}/a.zarr"
    return str(path)


PLACES = [
    "chunks",
    "shards",
    "zip",
    "zip of shards",
    "deflated zip",
    "deflated zip of shards",
    "url",
    "url of shards",
]


def routes(where: str) -> list[str | None]:
    return [None, "zarr-python"] if where in ("chunks", "shards") else [None]


def batches_of(graph: fl.Graph) -> tuple[list[dict[str, Any]], dict[str, StageStats]]:
    with graph.iterate(seed=3) as run:
        batches = [dict(batch) for batch in run]
    return batches, dict(run.stats().stages)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("where", PLACES)
def test_rows_that_lack_a_chunk_are_filled_counted_and_told_once(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches, stages = batches_of(fl.rows(ZarrRows(stored(where, tmp_path))) >> fl.batch(7))
    np.testing.assert_array_equal(np.concatenate([batch["a"] for batch in batches]), FILLED)
    assert stages["batch"].missing == 12
    (message,) = told(caplog)
    assert "a.zarr: missing; found no chunk c/" in message
    assert ("5 of 30 are not there" in message) == ("url" not in where and "deflated zip of" not in where)


@pytest.mark.parametrize("where", PLACES)
def test_rows_of_windows_that_lack_a_chunk_are_filled_counted_and_told_once(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for route in routes(where):
        caplog.clear()
        array = ZarrArray(stored(where, tmp_path / str(route)), route=route)
        batches, stages = batches_of(fl.windows({"a": array}, 9, order="sequential"))
        np.testing.assert_array_equal(np.concatenate([batch["a"] for batch in batches]), FILLED)
        assert stages["read_windows"].missing == 12
        assert stages["read_windows"].gauges["missing_chunks"] >= 5
        assert len(told(caplog)) == 1


@pytest.mark.covering
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(("columns", "lacking"), [([2, 0], 8), (slice(2, 5), 12), (5, 12)])
def test_windows_of_some_columns_lack_what_these_lack(
    where: str, columns: Any, lacking: int, tmp_path: Path
) -> None:
    select = {"x": {"columns": columns}}
    for route in routes(where):
        array = ZarrArray(stored(where, tmp_path / str(route)), route=route)
        graph = fl.windows(array, 4, order="sequential", select=select)
        batches, stages = batches_of(graph)
        found = np.concatenate([batch["x"] for batch in batches])
        np.testing.assert_array_equal(found, FILLED[:, columns])
        assert stages["read_windows"].missing == lacking
        graph = fl.windows(array, 4, order="sequential", select=select, missing="skip")
        with graph.iterate(epochs=2) as run:  # in the second pass it is known that chunks are missing
            assert len(list(run)) == 2 * (60 - lacking) // 4
        assert run.stats().stages["read_windows"].dropped == {"missing": 2 * lacking}


@pytest.mark.parametrize("where", PLACES)
def test_rows_that_lack_a_chunk_are_skipped(where: str, tmp_path: Path) -> None:
    records = ZarrRows(stored(where, tmp_path), missing="skip")
    batches, stages = batches_of(fl.rows(records) >> fl.shuffle() >> fl.batch(8))
    whole = np.delete(DATA, [*range(8, 12), *range(40, 48)], axis=0)
    found = np.concatenate([batch["a"] for batch in batches])
    np.testing.assert_array_equal(found[np.argsort(found[:, 0])], whole)
    assert sum(stage.dropped.get("missing", 0) for stage in stages.values()) == 12
    assert all(stage.missing == 0 for stage in stages.values())


@pytest.mark.parametrize("where", PLACES)
def test_a_row_that_lacks_a_chunk_is_an_error_that_names_array_chunk_and_row(
    where: str, tmp_path: Path
) -> None:
    graph = fl.rows(ZarrRows(stored(where, tmp_path), missing="raise")) >> fl.batch(60)
    with pytest.raises(DataError, match=r"a\.zarr: chunk c\S+, row 8: missing; found no such chunk"):
        batches_of(graph)
    batches, stages = batches_of(
        fl.rows(ZarrRows(stored(where, tmp_path / "2"), missing="raise")) >> fl.batch(60, on_error="skip")
    )
    assert sum(len(batch["a"]) for batch in batches) == 48
    assert stages["batch"].dropped == {"missing": 12}


def test_the_row_of_an_error_is_of_the_chunk_that_it_names(tmp_path: Path) -> None:
    table = ZarrRows(stored("chunks", tmp_path), missing="raise").open()
    with pytest.raises(DataError, match=r"chunk c/10/0, c/10/1, row 41: missing"):
        table.usable(np.array([3, 41, 9]), FakeCall())
    table.close()


@pytest.mark.parametrize("where", ["chunks", "shards", "url of shards"])
def test_windows_that_lack_a_chunk_are_skipped(where: str, tmp_path: Path) -> None:
    array = ZarrArray(stored(where, tmp_path))
    batches, stages = batches_of(fl.windows({"a": array}, 10, order="sequential", missing="skip"))
    assert [int(batch["start"]) for batch in batches] == [20, 30, 50]
    assert stages["read_windows"].dropped == {"missing": 30}
    assert stages["read_windows"].missing == 0


def test_a_window_that_lacks_a_chunk_is_an_error_that_names_it(tmp_path: Path) -> None:
    location = stored("chunks", tmp_path)
    graph = fl.windows({"a": location}, 10, order="sequential", missing="raise")
    with pytest.raises(DataError, match=r"a\.zarr: chunk c/2/1, row 8: missing; found no such chunk"):
        batches_of(graph)
    graph = fl.windows({"a": location}, 10, order="sequential", missing="raise", on_error="skip")
    batches, stages = batches_of(graph)
    assert [int(batch["start"]) for batch in batches] == [20, 30, 50]
    assert stages["read_windows"].dropped["missing"] == 3  # pieces, of which each was a window


@pytest.mark.parametrize(("missing", "starts"), [("fill", [0, 10, 20, 30, 40, 50]), ("skip", [20, 30, 50])])
def test_windows_as_samples_of_a_batch(missing: Any, starts: list[int], tmp_path: Path) -> None:
    table = recording({"a": stored("chunks", tmp_path)}, 10, missing=missing).open()
    call, rows = FakeCall(), np.arange(0, 60, 10)
    whole = table.usable(rows, call)
    assert whole.tolist() == starts
    assert call.drops["missing"] == 6 - len(starts)
    out = {
        key: np.zeros((len(whole), *shape), dtype) for key, (shape, dtype) in table.fields("windows").items()
    }
    table.write("windows", whole, out, call)
    np.testing.assert_array_equal(out["a"], [FILLED[start : start + 10] for start in starts])
    assert [count for _, count in call.lacks] == ([3] if missing == "fill" else [])
    table.close()


def test_windows_as_samples_raise(tmp_path: Path) -> None:
    table = recording({"a": stored("chunks", tmp_path)}, 10, missing="raise").open()
    with pytest.raises(DataError, match=r"chunk c/10/0, c/10/1, row 35: missing"):
        table.usable(np.array([20, 35]), FakeCall())
    table.close()


def test_rows_that_lack_chunks_of_two_arrays_count_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (stored("chunks", tmp_path / name) for name in "ab")
    shutil.rmtree(Path(second) / "c/3")
    arrays = {"a": first, "b": second}
    _, stages = batches_of(fl.windows(arrays, 9, order="sequential"))
    assert stages["read_windows"].missing == 16
    assert sorted(message.count("a/x/a.zarr") for message in told(caplog)) == [0, 1]
    _, stages = batches_of(fl.rows(ZarrRows(tmp_path, {"a": "a/x/a.zarr", "b": "b/x/a.zarr"})) >> fl.batch(7))
    assert stages["batch"].missing == 16


def test_a_chunk_that_vanishes_while_a_run_reads_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (4, 6))
    with (fl.rows(ZarrRows(path)) >> fl.batch(60)).iterate(epochs=2) as run:
        np.testing.assert_array_equal(next(run)["a"], DATA)
        (path / "c/7/0").unlink()
        for later in run:
            last = later
    # Read ahead or not, what is filled is counted.
    assert run.stats().stages["batch"].missing == int((last["a"] == 0).any(axis=1).sum())
    assert len(told(caplog)) <= 1


@pytest.mark.parametrize("missing", ["raise", "skip"])
def test_a_chunk_that_vanishes_after_it_was_looked_for_is_an_error(missing: Any, tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (4, 6))
    table = ZarrRows(path, missing=missing).open()
    rows = np.arange(60)
    assert len(table.usable(rows, FakeCall())) == 60
    (path / "c/7/0").unlink()
    with pytest.raises(DataError, match=r"chunk c/7/0, row 28: missing"):
        table.write("arrays", rows, {"a": np.zeros((60, 6), "f4")}, FakeCall())
    table.close()


def test_a_chunk_that_comes_back_is_missed_no_longer(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (4, 6))
    (path / "c/7/0").rename(tmp_path / "away")
    table = ZarrRows(path).open()
    first = FakeCall()
    table.write("arrays", np.arange(60), {"a": np.zeros((60, 6), "f4")}, first)
    (tmp_path / "away").rename(path / "c/7/0")
    second, out = FakeCall(), {"a": np.zeros((60, 6), "f4")}
    table.write("arrays", np.arange(60), out, second)
    np.testing.assert_array_equal(out["a"], DATA)
    assert [count for _, count in first.lacks] == [4]
    assert second.lacks == []
    table.close()


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("where", ["folder", "zip", "url"])
def test_an_array_of_which_no_chunk_exists_is_an_error(where: str, separator: Any, tmp_path: Path) -> None:
    encoding: Any = {"name": "v2", "separator": separator}
    zarr.create_array(
        str(tmp_path / "x/a.zarr"),
        shape=(9, 3),
        chunks=(2, 3),
        dtype="f4",
        zarr_format=2,
        chunk_key_encoding=encoding,
    )
    (tmp_path / "x/a.zarr/README").write_text("no chunk")
    location = str(tmp_path / "x/a.zarr")
    if where == "zip":
        location = f"{zipped(tmp_path / 'x')}/a.zarr"
    if where == "url":
        pytest.importorskip("fsspec")
        location = f"local://{location}"
    for opened in (ZarrRows(location).open, recording(location, 3).open):
        with pytest.raises(NoDataError, match=r"no chunk exists; found other files, such as README; wanted"):
            opened()


def test_chunks_of_another_spelling_are_none(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", DATA, (4, 3))
    (path / "c").rename(path / "chunks")
    with pytest.raises(NoDataError, match=r"found other files, such as chunks/\d+/\d; wanted .* c/0/0"):
        ZarrRows(path).open()
    array = zarr.open_array(str(write_array(tmp_path / "b.zarr", DATA, (4, 6))), mode="a")
    array.resize((8, 6))
    (tmp_path / "b.zarr/c/5").mkdir(exist_ok=True)
    (tmp_path / "b.zarr/c/5/0").write_bytes(b"of before")
    for place in (0, 1):
        shutil.rmtree(tmp_path / f"b.zarr/c/{place}")
    with pytest.raises(NoDataError, match="no chunk exists"):
        ZarrRows(tmp_path / "b.zarr").open()


def test_an_array_without_chunks_among_others_is_filled_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    group.create_array("a", shape=(6,), chunks=(3,), dtype="f4")[:] = 1
    group.create_array("zero", shape=(6,), chunks=(3,), dtype="f4")[:] = 0
    batches, stages = batches_of(fl.rows(ZarrRows(tmp_path / "g")) >> fl.batch(6))
    assert batches[0]["zero"].tolist() == [0] * 6
    assert stages["batch"].missing == 6
    assert "2 of 2 are not there" in "".join(told(caplog))
    with pytest.raises(NoDataError, match="zero: no chunk exists"):
        ZarrRows(tmp_path / "g", ["a", "zero"]).open()
    shutil.rmtree(tmp_path / "g/a/c")
    with pytest.raises(NoDataError, match="a: no chunk exists"):
        ZarrRows(tmp_path / "g").open()


def test_what_missing_may_be() -> None:
    with pytest.raises(GraphError, match='ZarrRows: missing is 0; wanted "fill", "raise" or "skip"'):
        ZarrRows("a.zarr", missing=0)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="windows: missing is 'no'"):
        fl.windows("a.zarr", 3, missing="no")  # type: ignore[arg-type]
