"""Recordings in NWB, as pynwb writes them in HDF5, and as they lie in zarr, against what libraries read."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from tests.formats.recordings.files.reading import SIZE, check_windows, windows_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pynwb = pytest.importorskip("pynwb")
h5py = pytest.importorskip("h5py")

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


def electrodes(path: Path, **more: Any) -> Any:
    """Written by pynwb: voltages of five channels; what pynwb makes volts of."""
    file = pynwb.NWBFile("a test", "one", datetime(2026, 1, 1, tzinfo=UTC))
    device = file.create_device("probe")
    group = file.create_electrode_group("g", description="g", location="here", device=device)
    for _ in range(5):
        file.add_electrode(group=group, location="here")
    region = file.create_electrode_table_region(list(range(5)), "all")
    data = np.random.default_rng(2).integers(-3000, 3000, (ROWS, 5)).astype(np.int16)
    how = {"rate": 30_000.0, "conversion": 2.34e-6, "offset": -0.125, **more}
    series = pynwb.ecephys.ElectricalSeries("ap", data=data, electrodes=region, **how)
    file.add_acquisition(series)
    with pynwb.NWBHDF5IO(str(path), "w") as writer:
        writer.write(file)
    with pynwb.NWBHDF5IO(str(path), "r") as reader:
        return data, np.asarray(reader.read().acquisition["ap"].get_data_in_units())


GAINS = np.array([1.0, 1.5, 0.25, 2.0, 1 / 3], np.float64)


@pytest.mark.parametrize("channels", [None, GAINS], ids=["one", "each"])
def test_volts_are_those_of_pynwb(channels: Any, tmp_path: Path) -> None:
    data, volts = electrodes(tmp_path / "a.nwb", channel_conversion=channels)
    found = fl.read_range(tmp_path / "a.nwb", 3, 40, conversion=True)["timeseries"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, volts[3:40].astype(np.float32))
    select: dict[str, Any] = {
        "v": {"neurons": [4, 1], "conversion": True, "dtype": "float64"},
        "half": {"neurons": slice(1, 4), "conversion": True, "dtype": "float16"},
        "one": {"neurons": 2, "conversion": True, "dtype": "float64"},
        "raw": {"conversion": False},
    }
    parts = fl.read_range(tmp_path / "a.nwb", 3, 40, select=select)
    np.testing.assert_allclose(parts["v"], volts[3:40, [4, 1]], rtol=1e-12)
    np.testing.assert_allclose(parts["one"], volts[3:40, 2], rtol=1e-12)
    np.testing.assert_array_equal(parts["half"], volts[3:40, 1:4].astype(np.float32).astype(np.float16))
    np.testing.assert_array_equal(parts["raw"], data[3:40])


def test_stored_numbers_are_told_unless_they_are_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    electrodes(tmp_path / "a.nwb", channel_conversion=GAINS)
    for conversion, told in ((None, 1), (False, 0), (True, 0)):
        caplog.clear()
        graph = fl.windows(tmp_path / "a.nwb", SIZE, conversion=conversion, order="sequential")
        graph.memory()
        with graph.iterate(epochs=2) as windows:
            list(windows)
        assert caplog.text.count("volts = number * 2.34e-06 * channel_conversion + -0.125") == told
        assert caplog.text.count("conversion=True makes them that") == told
    file, _ = session()
    with pynwb.NWBHDF5IO(str(tmp_path / "b.nwb"), "w") as writer:
        writer.write(file)
    caplog.clear()
    fl.read_range(tmp_path / "b.nwb", 0, 5, select={"x": "dff"})  # whose numbers are what they stand for
    assert not caplog.text


def test_what_cannot_be_converted_is_named(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="conversion is 2; wanted True, False, or None"):
        fl.windows(tmp_path / "a.nwb", SIZE, conversion=2)  # type: ignore[arg-type]
    np.save(tmp_path / "x.npy", np.zeros((20, 2)))
    with pytest.raises(DataError, match="no conversion; found nothing said of units"):
        fl.read_range(tmp_path / "x.npy", 0, 3, conversion=True)
    electrodes(tmp_path / "a.nwb", channel_conversion=GAINS)
    with h5py.File(tmp_path / "a.nwb", "r+") as file:
        group = file["acquisition/ap"]
        del group["channel_conversion"]
        group["channel_conversion"] = GAINS[:3]
    with pytest.raises(DataError, match=r"other channel conversions; found 3; wanted one for each channel"):
        fl.read_range(tmp_path / "a.nwb", 0, 3, conversion=True)
    with h5py.File(tmp_path / "a.nwb", "r+") as file:
        file["acquisition/ap/data"].attrs["conversion"] = "many"
    with pytest.raises(DataError, match="bad conversion; found 'many'; wanted a number"):
        fl.read_range(tmp_path / "a.nwb", 0, 3, conversion=True)


@pytest.mark.parametrize("version", [2, 3])
def test_volts_and_links_in_zarr(version: int, tmp_path: Path) -> None:
    data = in_zarr(tmp_path / "a.zarr", version)["acquisition/voltage"]
    root = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    root["acquisition/voltage/data"].attrs.update({"conversion": 1e-3, "offset": 2.0, "unit": "volts"})
    root.require_group("acquisition/voltage").create_array("channel_conversion", data=np.arange(1.0, 7.0))
    linked = root.require_group("processing/same")
    link = {"name": "data", "path": "/acquisition/voltage/data", "source": "."}
    linked.attrs.update({"neurodata_type": "TimeSeries", "zarr_link": [link]})
    linked.create_array("starting_time", data=np.zeros(1))
    elsewhere = root.require_group("processing/elsewhere")
    elsewhere.attrs.update({"zarr_link": [{**link, "source": "../b.zarr"}]})
    elsewhere.create_array("starting_time", data=np.zeros(1))
    asked = {"array": "voltage", "conversion": True, "neurons": [5, 0], "dtype": "float64"}
    select: dict[str, Any] = {"v": asked}
    found = fl.read_range(tmp_path / "a.zarr", 1, 30, select=select)["v"]
    np.testing.assert_allclose(found, data[1:30, [5, 0]] * 1e-3 * np.array([6.0, 1.0]) + 2.0, rtol=1e-12)
    select = {"v": {"array": "same", "conversion": True, "dtype": "float64"}, "raw": "processing/same"}
    both = fl.read_range(tmp_path / "a.zarr", 1, 30, select=select, conversion=False)
    np.testing.assert_allclose(both["v"], data[1:30] * 1e-3 + 2.0, rtol=1e-12)
    np.testing.assert_array_equal(both["raw"], data[1:30])
    with pytest.raises(NoDataError, match=r"no such array; found 'elsewhere'; wanted one of .*'same'"):
        fl.read_range(tmp_path / "a.zarr", 0, 3, select={"x": "elsewhere"})


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
