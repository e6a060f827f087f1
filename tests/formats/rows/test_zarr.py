"""Zarr rows are what zarr-python reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import ZipStore

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.rows.zarr import ZarrRows
from tests.formats.rows.oracle import ROOT, arrays_of, check_records, opened_by_a_child, read
from tests.stages.fakes import FakeCall

N = 50
ARRAYS = {key: array for key, array in arrays_of(N).items() if key != "big"}
SORTED = {key: ARRAYS[key] for key in sorted(ARRAYS)}

STORED: dict[str, dict[str, Any]] = {
    "raw": {"compressors": None},
    "zstd": {"compressors": ZstdCodec()},
    "blosc": {"compressors": BloscCodec()},
    "version 2": {"zarr_format": 2},
    "shards": {"shards": 14},
    "cut across rows": {"cut": True},
}


def write(path: Path, store: Any = None, **how: Any) -> Path:
    form, shards, cut = how.pop("zarr_format", 3), how.pop("shards", None), how.pop("cut", False)
    group = zarr.open_group(store or str(path), mode="w", zarr_format=form)
    for key, array in ARRAYS.items():
        whole = array.shape[1:]
        across = tuple(max(1, size // 2) for size in whole) if cut else whole
        more: dict[str, Any] = {"shards": (shards, *across)} if shards else {}
        made = group.create_array(
            key, shape=array.shape, dtype=array.dtype, chunks=(7, *across), **more, **how
        )
        made[...] = array
    return path


@pytest.mark.parametrize("kind", STORED)
def test_every_way_to_store_them(kind: str, tmp_path: Path) -> None:
    check_records(ZarrRows(write(tmp_path / "a.zarr", **STORED[kind])), SORTED)


def test_a_zip(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "a.zip", mode="w")
    write(tmp_path, store)
    store.close()
    check_records(ZarrRows(tmp_path / "a.zip"), SORTED)


@pytest.mark.slow
def test_arrays_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr")
    check_records(ZarrRows(path, "labels"), {"labels": ARRAYS["labels"]})
    check_records(ZarrRows(path / "labels"), {"labels": ARRAYS["labels"]})
    records = ZarrRows(str(path), {"x": "images", "y": "labels"})
    check_records(records, {"x": ARRAYS["images"], "y": ARRAYS["labels"]})
    assert opened_by_a_child(records)


@pytest.mark.slow
def test_a_real_recording() -> None:
    path = ROOT.parent / "shared/data/neural/pynapple_suite2p/FFneuSpks.zarr"
    if not path.is_dir():
        pytest.skip("the shared neural data are absent")
    check_records(ZarrRows(path), {"FFneuSpks": np.asarray(zarr.open_array(path, mode="r"))})


def test_a_chunk_that_does_not_exist_holds_the_fill_value(tmp_path: Path) -> None:
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(20, 3), chunks=(5, 3), dtype="f4", fill_value=9
    )
    array[10:] = 1
    found = np.concatenate([np.full((10, 3), 9), np.ones((10, 3))]).astype("f4")
    check_records(ZarrRows(tmp_path / "a.zarr"), {"a": found})


def test_a_corrupt_chunk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", compressors=ZstdCodec())
    chunk = path / "images/c/3/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    table = ZarrRows(path).open()
    assert len(read(table, [0, 20, 28])["images"]) == 3
    with pytest.raises(DataError, match=r"images: chunk c/3/0/0/0: corrupt chunk"):
        read(table, [21])
    table.close()


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr")
    zarr.create_array(str(path / "short"), shape=(49,), dtype="f4")[:] = 1
    with pytest.raises(DataError, match=r"short: columns of different length; found 49 rows; wanted 50 rows"):
        ZarrRows(path).open()
    with pytest.raises(NoDataError, match=r"absent: no zarr array"):
        ZarrRows(path, ["labels", "absent"]).open()
    with pytest.raises(NoDataError, match=r"b\.zarr: no zarr array"):
        ZarrRows(tmp_path / "b.zarr").open()
    zarr.open_group(str(tmp_path / "empty.zarr"), mode="w")
    with pytest.raises(NoDataError, match=r"empty\.zarr: no zarr array; found none; wanted at least one"):
        ZarrRows(tmp_path / "empty.zarr").open()
    (path / "labels" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match=r"bad zarr metadata"):
        ZarrRows(path, "labels").open()


def test_no_rows(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(0, 3), dtype="f4")
    with pytest.raises(NoDataError, match="no rows"):
        ZarrRows(tmp_path / "a.zarr").open()


def test_sequential_rows_are_read_by_runs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", compressors=None)
    with (fl.rows(ZarrRows(path)) >> fl.batch(20)).iterate() as run:
        np.testing.assert_array_equal(np.concatenate([batch["images"] for batch in run]), ARRAYS["images"])
    shutil.rmtree(path)


def test_bad_parameters() -> None:
    with pytest.raises(GraphError, match="ZarrRows: path is 3; wanted a path"):
        ZarrRows(3)
    with pytest.raises(GraphError, match="ZarrRows: arrays: none are named"):
        ZarrRows("a.zarr", ())


def test_a_chunk_that_is_written_again_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(100, 6), chunks=(8, 6), dtype="f4", compressors=None)
    array[:] = np.arange(600).reshape(100, 6)
    table, rows, out = ZarrRows(path).open(), np.arange(100), {"a": np.empty((100, 6), np.float32)}
    for _ in range(2):
        table.write("arrays", rows, out, FakeCall())
    chunk = path / "c" / "3" / "0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    os.utime(chunk, ns=(1, 1))  # whatever the clock's grain
    with pytest.raises(DataError, match=r"c/3/0: file changed; found .* bytes, written since"):
        table.write("arrays", rows, out, FakeCall())
    table.close()
