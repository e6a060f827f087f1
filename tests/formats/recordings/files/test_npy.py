"""Recordings in `.npy`, against numpy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, NoDataError
from tests.formats.recordings.files.reading import check_windows, windows_of


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "u1", "?", "f2"])
@pytest.mark.parametrize("shape", [(53,), (53, 7), (53, 7, 3)])
def test_a_file(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    np.save(tmp_path / "rec.npy", data)
    check_windows(tmp_path / "rec.npy", data)
    check_windows(tmp_path / "rec.npy", data, "rec")


def test_some_neurons_and_columns(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(size=(53, 9, 4)).astype(np.float32)
    np.save(tmp_path / "rec.npy", data)
    check_windows(tmp_path / "rec.npy", data[:, [5, 0, 7]][..., 2], columns=2, neurons=[5, 0, 7])
    check_windows(tmp_path / "rec.npy", data[:, 2:8:2], neurons=slice(2, 8, 2))


def test_a_folder_has_an_array_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    arrays = {name: rng.normal(size=(53, width)) for name, width in (("x", 3), ("stimulus", 5))}
    for name, data in arrays.items():
        np.save(tmp_path / f"{name}.npy", data)
    (tmp_path / "._x.npy").write_bytes(b"what macOS leaves")
    select = {"a": {"array": "x"}, "b": {"array": "stimulus", "neurons": slice(1, 3)}}
    for window in windows_of(tmp_path, select):
        start = int(window["start"])
        np.testing.assert_array_equal(window["a"], arrays["x"][start : start + 16])
        np.testing.assert_array_equal(window["b"], arrays["stimulus"][start : start + 16, 1:3])
    with pytest.raises(NoDataError, match=r"which array; found 2 arrays; wanted .*'stimulus', 'x'"):
        windows_of(tmp_path)
    with pytest.raises(NoDataError, match=r"no such array; found 'y'; wanted one of 'stimulus', 'x'"):
        windows_of(tmp_path, {"a": {"array": "y"}})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((5, 2), "c8"), r"array of another kind; found complex64\[5, 2\]; wanted numbers"),
        (np.array(5.0), r"array of another kind; found float64\[\]"),
        (np.zeros((0, 3)), r"array of another kind; found float64\[0, 3\]"),
        (np.zeros((5, 2), order="F"), "in columns"),
        (np.zeros(5, "S3"), "array of another kind"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, data: np.ndarray, message: str) -> None:
    np.save(tmp_path / "rec.npy", data)
    with pytest.raises(DataError, match=f"rec.npy.*{message}"):
        windows_of(tmp_path / "rec.npy")


def test_files_that_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "rec.npy"
    np.save(path, np.zeros((50, 3)))
    data = path.read_bytes()
    for bad in (data[:-1], data[:20], b"", b"text"):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"rec.npy"):
            windows_of(path)


def test_a_file_that_changes_under_a_run(tmp_path: Path) -> None:
    path = tmp_path / "rec.npy"
    np.save(path, np.zeros((500, 3)))
    with fl.windows(str(path), 4, order="sequential").iterate() as batches:
        next(batches)
        np.save(tmp_path / "other.npy", np.ones((600, 3)))
        (tmp_path / "other.npy").replace(path)
        with pytest.raises(DataError, match=r"rec.npy: file changed"):
            list(batches)


def test_a_file_that_is_cut_off_under_a_run(tmp_path: Path) -> None:
    path = tmp_path / "rec.npy"
    np.save(path, np.zeros((1 << 12, 512), np.float32))
    with fl.windows(str(path), 64, order="sequential").iterate() as batches:
        next(batches)
        os.truncate(path, 1 << 16)  # what is mapped behind it raises a signal
        with pytest.raises(DataError, match=r"rec.npy: file changed"):
            list(batches)
