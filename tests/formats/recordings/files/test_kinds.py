"""Which kind of file a place is taken for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import DataError, NoDataError
from flowload.formats.recordings.kinds import kind_of
from tests.formats.recordings.files.reading import windows_of


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("s3://bucket/a.zarr", "zarr"),
        ("https://host/a.h5", "zarr"),
        ("gone.zarr", "zarr"),
        ("gone", "zarr"),
        ("gone.h5", "HDF5"),
        ("gone.NWB", "NWB"),
        ("gone.npy", "npy"),
        ("gone.bin", "SpikeGLX"),
        ("a\0b.npy", "npy"),
        ("x" * 5000, "zarr"),
    ],
)
def test_places_that_are_not_there(location: str, kind: str) -> None:
    assert kind_of(location).name == kind


def test_folders_are_what_they_hold(tmp_path: Path) -> None:
    for name in ("plain", "zarrs.npy", "dir.h5"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "plain" / "a.npy", np.zeros(3))
    assert kind_of(str(tmp_path / "plain")).name == "npy"
    zarr.create_array(tmp_path / "plain" / "b.zarr", data=np.zeros(3))
    assert kind_of(str(tmp_path / "plain")).name == "zarr"
    zarr.create_array(tmp_path / "zarrs.npy", data=np.zeros(3), overwrite=True)
    assert kind_of(str(tmp_path / "zarrs.npy")).name == "zarr"
    assert kind_of(str(tmp_path / "dir.h5")).name == "zarr"
    np.save(tmp_path / "dir.h5" / "F.npy", np.zeros((3, 4)))
    np.save(tmp_path / "dir.h5" / "iscell.npy", np.zeros((3, 2)))
    assert kind_of(str(tmp_path / "dir.h5")).name == "suite2p"


@pytest.mark.parametrize("name", ["gone.h5", "gone.npy", "gone.nwb"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoDataError, match=f"{name}: no such file"):
        windows_of(tmp_path / name)


@pytest.mark.parametrize("name", ["pipe.h5", "pipe.npy", "pipe.bin", "pipe"])
def test_nobody_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"pipe"):
        windows_of(tmp_path / name)


def test_ranges_of_rows_are_read_at_once(tmp_path: Path) -> None:
    data = np.arange(200).reshape(50, 4)
    np.save(tmp_path / "a.npy", data)
    np.testing.assert_array_equal(fl.read_range(str(tmp_path / "a.npy"), 7, 31)["timeseries"], data[7:31])


def test_recordings_of_several_kinds_are_one_set(tmp_path: Path) -> None:
    data = np.arange(200, dtype="f4").reshape(50, 4)
    np.save(tmp_path / "a.npy", data)
    zarr.create_array(tmp_path / "b.zarr", data=data + 1000)
    paths = [{"x": str(tmp_path / "a.npy")}, {"x": str(tmp_path / "b.zarr")}]
    with fl.windows(paths, 25, order="sequential").iterate() as batches:
        found = [np.array(batch["x"]) for batch in batches]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate([data, data + 1000]))
