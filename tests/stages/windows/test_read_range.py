"""`read_range`, compared with slices of the array."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from tests.formats.recordings.made import numbers, write_array
from tests.threads import none_left

SHAPE = (60, 7, 4)


@pytest.fixture(params=["raw", "zstd"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_array(tmp_path / "timeseries.zarr", numbers(SHAPE), (8, 4, 2), codec=request.param)
    write_array(tmp_path / "stimulus.zarr", numbers((60, 5), "i2"), (16, 5), codec=request.param)
    return tmp_path


@pytest.mark.parametrize(("begin", "end"), [(0, 60), (13, 14), (8, 40), (59, 60)])
def test_the_slices(begin: int, end: int, folder: Path) -> None:
    select: dict[str, Any] = {
        "x": {"array": "timeseries", "columns": 2},
        "few": {"array": "timeseries", "columns": [3, 0], "neurons": slice(1, 6, 2)},
        "s": "stimulus",
    }
    with none_left():
        found = fl.read_range(folder, begin, end, select=select)
    rows = numbers(SHAPE)[begin:end]
    assert list(found) == ["x", "few", "s"]
    np.testing.assert_array_equal(found["x"], rows[:, :, 2])
    np.testing.assert_array_equal(found["few"], rows[:, 1:6:2][..., [3, 0]])
    np.testing.assert_array_equal(found["s"], numbers((60, 5), "i2")[begin:end])
    assert all(array.flags.c_contiguous and array.flags.writeable for array in found.values())
    whole = fl.read_range(
        {"a": folder, "b": folder / "stimulus.zarr"}, begin, end, dtype="float64", workers=1
    )
    np.testing.assert_array_equal(whole["a"], rows.astype("f8"))
    assert whole["b"].dtype == np.float64


def test_rows_that_were_never_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = zarr.create_array(str(tmp_path / "a.zarr"), shape=(60, 3), chunks=(8, 3), dtype="f4", fill_value=7)
    made[:16] = 1
    with caplog.at_level(logging.WARNING, "flowload"):
        assert (fl.read_range(tmp_path / "a.zarr", 0, 16)["a"] == 1).all()
        assert not caplog.records
        assert fl.read_range(tmp_path / "a.zarr", 8, 24)["a"][:, 0].tolist() == [1] * 8 + [7] * 8
    assert "rows hold the fill value" in caplog.text
    with pytest.raises(DataError, match="row 16"):
        fl.read_range(tmp_path / "a.zarr", 8, 24, missing="raise")


def test_a_corrupt_chunk_is_named(folder: Path) -> None:
    (folder / "timeseries.zarr/c/2/0/0").write_bytes(b"rubbish")
    with none_left(), pytest.raises(DataError, match=r"chunk c/2/0/0: corrupt chunk"):
        fl.read_range(folder, 0, 60)
    assert len(fl.read_range(folder, 24, 60, select={"x": "timeseries"})["x"]) == 36


@pytest.mark.parametrize(
    ("rows", "how", "wanted"),
    [
        ((5, 5), {}, "rows 5 to 5 are none"),
        ((-1, 5), {}, "begin is -1"),
        ((1, 2.5), {}, "end is 2.5"),
        ((1, 2), {"workers": 0}, "workers is 0"),
        ((1, 2), {"missing": "skip"}, "missing is 'skip'"),
    ],
)
def test_bad_parameters(rows: Any, how: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=wanted):
        fl.read_range(tmp_path, *rows, **how)


def test_what_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError, match="no such rows; found 60 rows; wanted 50 to 61"):
        fl.read_range(folder, 50, 61)
    with pytest.raises(NoDataError, match="wanted one of 'stimulus', 'timeseries'"):
        fl.read_range(folder, 0, 1, select={"x": "nope"})
    with pytest.raises(GraphError, match="2 recordings in a list"):
        fl.read_range([folder, folder], 0, 1)
