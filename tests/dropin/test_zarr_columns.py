"""`create_zarr_loader`, compared with slices of the array."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from flowload.dropin import RandomChunkLoader, create_zarr_loader
from flowload.errors import DataError, NoDataError
from tests.threads import none_left

SHAPE = (50, 6, 4)


@pytest.fixture(params=[(2, None), (3, None), (3, "sharded"), (2, "zstd")], ids=str)
def array(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any]:
    version, how = request.param
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    options: dict[str, Any] = {"shards": (14, 6, 4)} if how == "sharded" else {}
    if how is None:
        options["compressors"] = None
    path = tmp_path / "x_list_0" / "timeseries.zarr"
    zarr.create_array(str(path), data=values, chunks=(7, 3, 2), zarr_format=version, **options)
    return path, values


@pytest.mark.parametrize("rows", [(0, 50), (0, 1), (49, 50), (5, 23), (7, 14)])
@pytest.mark.parametrize("where", ["folder", "array"])
def test_the_slices(array: tuple[Path, Any], rows: tuple[int, int], where: str) -> None:
    path, values = array
    load = create_zarr_loader(
        data_path=str(path.parent if where == "folder" else path),
        column_idx=2,
        stim_column_idx=1,
        num_stim_dims=4,
    )
    data, stimulus = load(*rows)
    begin, end = rows
    np.testing.assert_array_equal(data, values[begin:end, :, 2])
    np.testing.assert_array_equal(stimulus, values[begin:end, :4, 1])
    assert data.flags.c_contiguous
    assert stimulus.flags.c_contiguous
    assert data.dtype == stimulus.dtype == np.float32


def test_the_same_column_twice(array: tuple[Path, Any]) -> None:
    path, values = array
    data, stimulus = create_zarr_loader(path, 3, 3, 6)(3, 30)
    np.testing.assert_array_equal(data, values[3:30, :, 3])
    np.testing.assert_array_equal(stimulus, data)


def test_with_the_loader(array: tuple[Path, Any]) -> None:
    path, values = array
    with none_left():
        loader = RandomChunkLoader(create_zarr_loader(path, 0, 1, 3), 50, 20, "cpu", prefetch=2, seed=1)
        loader.start_epoch(4)
        for _ in range(4):
            data, stimulus = loader.get_next_chunk()
            assert data is not None
            assert stimulus is not None
            start = next(k for k in range(31) if np.array_equal(data, values[k : k + 20, :, 0]))
            np.testing.assert_array_equal(stimulus, values[start : start + 20, :3, 1])
        loader.cleanup()


@pytest.mark.parametrize("rows", [(-1, 5), (3, 3), (5, 3), (0, 51)])
def test_rows_that_are_not_there(array: tuple[Path, Any], rows: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="of the 50"):
        create_zarr_loader(array[0], 0, 1, 3)(*rows)


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ((4, 1, 3), "column_idx is 4"),
        ((0, -1, 3), "stim_column_idx is -1"),
        ((0, 1, 7), "num_stim_dims is 7"),
    ],
)
def test_columns_that_are_not_there(
    array: tuple[Path, Any], columns: tuple[int, int, int], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        create_zarr_loader(array[0], *columns)


def test_no_array_of_columns(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "flat.zarr"), data=np.ones((5, 3)))
    with pytest.raises(DataError, match=r"wanted \(T, N, C\)"):
        create_zarr_loader(tmp_path / "flat.zarr", 0, 1, 1)
    with pytest.raises(NoDataError):
        create_zarr_loader(tmp_path / "none.zarr", 0, 1, 1)


def test_rows_that_were_never_stored_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=SHAPE, chunks=(10, 6, 4), dtype="f4", fill_value=7
    )
    made[:20] = 1
    load = create_zarr_loader(tmp_path / "a.zarr", 0, 1, 3)
    with caplog.at_level(logging.WARNING, "flowload"):
        load(0, 20)
        assert not caplog.records
        assert load(10, 30)[0][:, 0].tolist() == [1] * 10 + [7] * 10
        load(10, 30)
    assert len(caplog.records) == 1
    assert "3 of 5 are not there" in caplog.text
