"""Recordings in NWB, as pynwb writes them in HDF5, and as they lie in zarr, against what libraries read."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from flowload.errors import NoDataError
from tests.formats.recordings.files.reading import check_windows, windows_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pynwb = pytest.importorskip("pynwb")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of its libraries

ROWS = 47


def session() -> tuple[Any, dict[str, Any]]:
    """A file in memory, and its numbers by path."""
    rng = np.random.default_rng(0)
    file = pynwb.NWBFile("a test", "one", datetime(2026, 1, 1, tzinfo=UTC))
    data = {
        "acquisition/running": rng.normal(size=ROWS),
        "acquisition/voltage": rng.integers(-500, 500, (ROWS, 6)).astype(np.int16),
        "processing/ophys/dff": rng.normal(size=(ROWS, 4)).astype(np.float32),
        "stimulus/presentation/running": rng.normal(size=(ROWS, 2, 3)),
    }
    rate = {"rate": 30.0, "starting_time": 0.0, "conversion": 1e-6}
    file.add_acquisition(pynwb.TimeSeries("running", data=data["acquisition/running"], unit="m", **rate))
    file.add_acquisition(pynwb.TimeSeries("voltage", data=data["acquisition/voltage"], unit="V", **rate))
    file.add_stimulus(
        pynwb.TimeSeries("running", data=data["stimulus/presentation/running"], unit="m", **rate)
    )
    module = file.create_processing_module("ophys", "calcium")
    module.add(
        pynwb.TimeSeries("dff", data=data["processing/ophys/dff"], unit="1", timestamps=np.arange(ROWS) / 30)
    )
    return file, data


def in_hdf5(path: Path) -> dict[str, Any]:
    """Written and read by pynwb."""
    file, data = session()
    with pynwb.NWBHDF5IO(str(path), "w") as writer:
        writer.write(file)
    with pynwb.NWBHDF5IO(str(path), "r") as reader:
        read = reader.read()
        found = {
            "acquisition/running": read.acquisition["running"].data[:],
            "acquisition/voltage": read.acquisition["voltage"].data[:],
            "processing/ophys/dff": read.processing["ophys"]["dff"].data[:],
            "stimulus/presentation/running": read.stimulus["running"].data[:],
        }
    for name, each in data.items():
        np.testing.assert_array_equal(found[name], each)
    return found


def in_zarr(path: Path, version: Any = 2) -> dict[str, Any]:
    """Laid out as hdmf-zarr's page on storage says, which does not know zarr 3 yet; read by zarr-python."""
    _, data = session()
    root = zarr.open_group(path, mode="w", zarr_format=version)
    root.attrs.update({"nwb_version": "2.8.0", "neurodata_type": "NWBFile", ".specloc": "specifications"})
    root.create_array("session_start_time", data=np.zeros(1))
    for name, each in data.items():
        group = root.require_group(name)
        group.attrs.update({"neurodata_type": "TimeSeries", "namespace": "core"})
        group.create_array("data", data=each, chunks=(10, *each.shape[1:]))
        if name == "processing/ophys/dff":  # times that another series has
            link = {"name": "timestamps", "path": "/acquisition/voltage/timestamps", "source": "."}
            group.attrs["zarr_link"] = [link]
        else:
            group.create_array("starting_time", data=np.zeros(1))
    table = root.require_group("general/table")  # numbers over something else than time
    table.create_array("data", data=np.zeros((5, 5)))
    return {name: zarr.open_array(path / name / "data", mode="r")[:] for name in data}


@pytest.fixture(scope="module", params=["hdf5", "zarr 2", "zarr 3"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A file, and its numbers as its library reads them."""
    folder = tmp_path_factory.mktemp("nwb")
    if request.param == "hdf5":
        return folder / "rec.nwb", in_hdf5(folder / "rec.nwb")
    return folder / "rec.nwb.zarr", in_zarr(folder / "rec.nwb.zarr", int(request.param[-1]))


def test_time_series_by_their_paths(saved: tuple[Path, Any]) -> None:
    path, wanted = saved
    for name, data in wanted.items():
        check_windows(path, data, name)


def test_short_names_where_they_are_clear(saved: tuple[Path, Any]) -> None:
    path, wanted = saved
    check_windows(path, wanted["acquisition/voltage"], "voltage")
    check_windows(path, wanted["acquisition/voltage"][:, 1:4], "voltage", neurons=slice(1, 4))
    check_windows(path, wanted["processing/ophys/dff"][:, [3, 0]], "dff", neurons=[3, 0])
    known = "'acquisition/running', 'voltage', 'dff', 'stimulus/presentation/running'"
    with pytest.raises(NoDataError, match=f"no such array; found 'running'; wanted one of {known}"):
        windows_of(path, {"x": {"array": "running"}})
    with pytest.raises(NoDataError, match=f"which array; found 4 arrays; wanted .*{known}"):
        windows_of(path)


def test_the_only_one_is_the_recording(tmp_path: Path) -> None:
    file = pynwb.NWBFile("a test", "one", datetime(2026, 1, 1, tzinfo=UTC))
    data = np.random.default_rng(1).normal(size=(ROWS, 3))
    file.add_acquisition(pynwb.TimeSeries("lfp", data=data, unit="V", rate=1000.0))
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as writer:
        writer.write(file)
    check_windows(tmp_path / "a.nwb", data)


def test_times_that_are_shared_are_links(tmp_path: Path) -> None:
    file = pynwb.NWBFile("a test", "one", datetime(2026, 1, 1, tzinfo=UTC))
    first = pynwb.TimeSeries("a", data=np.arange(ROWS), unit="V", timestamps=np.arange(ROWS) / 7)
    file.add_acquisition(first)
    file.add_acquisition(pynwb.TimeSeries("b", data=np.arange(ROWS) * 2.0, unit="V", timestamps=first))
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as writer:
        writer.write(file)
    check_windows(tmp_path / "a.nwb", np.arange(ROWS), "a")
    check_windows(tmp_path / "a.nwb", np.arange(ROWS) * 2.0, "b")
