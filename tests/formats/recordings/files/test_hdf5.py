"""Recordings in HDF5, in every way that a dataset can lie there, against h5py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, MissingExtra, NoDataError
from flowload.files.guard import Guard
from flowload.formats.hdf5.file import Hdf5File
from flowload.formats.recordings.files.hdf5 import open_dataset
from tests.formats.recordings.files.reading import check_windows, windows_of

h5py = pytest.importorskip("h5py")

SHAPE = (53, 10, 3)

#: How a dataset lies in the file, and by what it is read.
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "contiguous": ({}, "memory map"),
    "rows": ({"chunks": (7, 10, 3)}, "mapped chunks"),
    "gzip": ({"chunks": (7, 10, 3), "compression": "gzip", "shuffle": True}, "inflated chunks"),
    "cut": ({"chunks": (8, 4, 2)}, "h5py"),
    "cut and gzip": ({"chunks": (8, 4, 3), "compression": "gzip"}, "h5py"),
    "fletcher": ({"chunks": (7, 10, 3), "fletcher32": True}, "h5py"),
    "scaled": ({"chunks": (7, 10, 3), "scaleoffset": 3}, "h5py"),
}


def write(path: Path, dtype: str = "f4", **more: Any) -> Any:
    data = np.random.default_rng(0).normal(size=SHAPE) * 50
    with h5py.File(path, "w", **more) as file:
        for name, (how, _) in WAYS.items():
            file.create_dataset(f"deep/{name}", data=data.astype(dtype), **how)
    return data.astype(dtype)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2"])
def test_every_way_of_lying_there(tmp_path: Path, name: str, dtype: str) -> None:
    path = tmp_path / "rec.h5"
    write(path, dtype)
    with h5py.File(path) as file:
        wanted = file[f"deep/{name}"][:]
    check_windows(path, wanted, f"deep/{name}")
    check_windows(path, wanted[:, [8, 1]][..., 2], f"deep/{name}", neurons=[8, 1], columns=2)
    check_windows(path, wanted[:, 2:5], f"/deep/{name}", neurons=slice(2, 5))


@pytest.mark.parametrize("name", WAYS)
def test_the_way_is_told(tmp_path: Path, name: str) -> None:
    write(tmp_path / "rec.h5")
    guard = Guard()
    series = open_dataset(Hdf5File(str(tmp_path / "rec.h5"), guard), f"deep/{name}", guard)
    assert series.route.startswith(WAYS[name][1])
    series.close()


def test_several_threads_read_what_one_reads(tmp_path: Path) -> None:
    wanted = write(tmp_path / "rec.h5")
    select = {name: {"array": f"deep/{name}"} for name in WAYS if name != "scaled"}
    graph = fl.windows(str(tmp_path / "rec.h5"), 11, select=select, count=30)
    with graph.iterate(seed=3) as batches:
        for window in batches:
            start = int(window["start"])
            for name in select:
                np.testing.assert_array_equal(window[name], wanted[start : start + 11])


def test_any_name_of_a_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "rec.dat"
    write(path, userblock_size=1024)
    with h5py.File(path) as file:
        check_windows(path, file["deep/cut"][:], "deep/cut")


def test_the_recording_itself(tmp_path: Path) -> None:
    data = np.arange(40.0).reshape(20, 2)
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["a/only"] = data
        file["words"] = ["x", "y"]
        file["number"] = 5
    check_windows(tmp_path / "one.h5", data)
    with h5py.File(tmp_path / "one.h5", "a") as file:
        file["a/more"] = data
    with pytest.raises(NoDataError, match=r"which array; found 2 arrays; wanted .*'a/more', 'a/only'"):
        windows_of(tmp_path / "one.h5")
    with h5py.File(tmp_path / "one.h5", "a") as file:
        file["timeseries"] = data + 1
    check_windows(tmp_path / "one.h5", data + 1)
    with pytest.raises(NoDataError, match=r"no such array; found 'b'; wanted one of 'a/more', 'a/only'"):
        windows_of(tmp_path / "one.h5", {"x": {"array": "b"}})
    with pytest.raises(DataError, match=r"one.h5: words: array of another kind"):
        windows_of(tmp_path / "one.h5", {"x": {"array": "words"}})


@pytest.mark.parametrize("chunks", [(5, 3), (5, 2)])
@pytest.mark.parametrize("missing", ["fill", "raise", "skip"])
def test_chunks_that_were_never_written(tmp_path: Path, chunks: tuple[int, ...], missing: Any) -> None:
    path = tmp_path / "rec.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", (20, 3), "f4", chunks=chunks, fillvalue=-7)
        data[:5] = 1
        data[10:] = 2
        wanted = data[:]
    graph = fl.windows(str(path), 5, order="sequential", missing=missing)
    with graph.iterate() as batches:
        if missing == "raise":
            with pytest.raises(DataError, match=r"rec.h5: x, row 5: missing; found . of . chunks"):
                list(batches)
            return
        found = {int(window["start"]): np.array(window["timeseries"]) for window in batches}
        counts = batches.stats().stages
    assert list(found) == ([0, 5, 10, 15] if missing == "fill" else [0, 10, 15])
    for start, window in found.items():
        np.testing.assert_array_equal(window, wanted[start : start + 5])
    assert any(stage.dropped.get("missing") == 5 for stage in counts.values()) == (missing == "skip")


def test_files_that_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "rec.h5"
    write(path)
    data = path.read_bytes()
    for bad in (data[: len(data) // 2], data[:100], b"text", b""):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"rec.h5"):
            windows_of(path, {"x": {"array": "deep/gzip"}})


def test_a_chunk_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rec.h5"
    write(path)
    with h5py.File(path) as file:
        place = file["deep/gzip"].id.get_chunk_info(3)
    data = bytearray(path.read_bytes())
    data[place.byte_offset + 20] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"rec.h5: deep/gzip, rows 21 to 28: unreadable"):
        windows_of(path, {"x": {"array": "deep/gzip"}})


@pytest.mark.parametrize("name", ["rec.h5", "rec.nwb"])
def test_without_h5py_it_says_how_to_install_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / name)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"pip install 'flowload\[hdf5\]'"):
        windows_of(tmp_path / name, {"x": {"array": "deep/rows"}})
