"""Recordings by their places: real ones, remote ones, in other processes; and the simulated one."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.recordings.recording import ZarrArray, recording, simulate
from flowload.formats.zarr import stores as zarr_stores
from flowload.formats.zarr.chunks.grid import Grid, Piece
from flowload.sample import sample_path
from tests.formats.recordings.made import numbers, read_window, write_array

SAMPLE = sample_path("neural")


def test_a_real_recording_is_what_zarr_python_and_npy_say(shared_neural: Path) -> None:
    folder = shared_neural / "pynapple_suite2p"
    array = zarr.open_array(folder / "FFneuSpks.zarr", mode="r")
    traces = np.load(folder / "F.npy")
    with fl.windows(folder / "FFneuSpks.zarr", 333, count=12).iterate() as batches:
        for batch in batches:
            start = int(batch["start"])
            np.testing.assert_array_equal(batch["FFneuSpks"], array[start : start + 333])
            found = [
                np.array_equal(batch["FFneuSpks"][..., k], traces.T[start : start + 333]) for k in range(3)
            ]
            assert any(found)
        gauges = batches.stats().stages["read_windows"].gauges
    assert gauges["missing_chunks"] == 0


@pytest.mark.slow
def test_a_real_connectome_goes_with_a_recording_of_its_neurons(shared_neural: Path, tmp_path: Path) -> None:
    graph = shared_neural / "flyvis_connectome/extent8"
    path = write_array(tmp_path / "a.zarr", np.ones((40, 13_741), "u1"), (8, 13_741))
    pipeline = fl.windows(path, 30, count=2) >> fl.sample_within(5, 3, neurons=20, graph=graph)
    indptr, indices = np.load(graph / "indptr.npy"), np.load(graph / "indices.npy")
    with pipeline.iterate() as batches:
        for batch in batches:
            chosen = batch["neurons"]
            assert (np.diff(chosen) > 0).all()
            whole = [n for n in chosen if np.isin(indices[indptr[n] : indptr[n + 1]], chosen).all()]
            assert len(whole) >= 20


@pytest.mark.parametrize("package", ["fsspec", "obstore"])
def test_a_url_is_read_through_whichever_library_is_there(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    monkeypatch.setattr(zarr_stores, "find_spec", lambda name: name == package or None)
    data = numbers((50, 6))
    write_array(tmp_path / "rec" / "timeseries.zarr", data, (8, 4), codec="zstd")
    (tmp_path / "rec/timeseries.zarr/c/2/0").unlink()
    url = f"{'local' if package == 'fsspec' else 'file'}://{tmp_path}/rec"
    place = zarr_stores.remote_store(url, {})
    assert type(place).__name__ == {"fsspec": "FsspecStore", "obstore": "ObjectStore"}[package]
    location = url if package == "fsspec" else f"FILE://{tmp_path}/rec"
    table = recording(ZarrArray(f"{location}/timeseries.zarr"), 30).open()
    assert table.routes["timeseries"].startswith("zarr-python")
    found = read_window(table, 10)["timeseries"]
    wanted = data[10:40].copy()
    wanted[6:14, :4] = 0
    np.testing.assert_array_equal(found, wanted)
    assert table.missing == 1
    table.close()


def test_without_a_library_for_urls_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_stores, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'neither fsspec nor obstore.*pip install "flowload\[remote\]"'):
        ZarrArray("s3://bucket/a.zarr").open()


def test_an_unknown_scheme_is_told() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(MissingExtra, match="nowhere://x: cannot be read"):
        ZarrArray("nowhere://x").open()


@pytest.mark.slow
def test_importing_flowload_does_not_import_zarr() -> None:
    module = "flowload.formats.recordings.recording"
    code = f"import sys, {module}; assert not {{'zarr', 'numcodecs'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def digest(graph: fl.Graph) -> list[Any]:
    with graph.iterate(seed=11) as batches:
        return [(int(b["start"]), float(b["timeseries"].sum())) for b in batches]


@pytest.mark.slow
def test_a_spawned_process_reads_what_this_one_does() -> None:
    graph = fl.windows(SAMPLE, 200, count=6)
    own = digest(graph)  # zarr's thread is alive from here on
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(digest, (graph,)) == own


@pytest.mark.parametrize("how", [{"rows": 0}, {"neurons": 3, "degree": 3}, {"degree": 0}, {"chunk": 0}])
def test_what_cannot_be_simulated(how: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="simulate"):
        simulate(tmp_path / "rec", **how)  # type: ignore[arg-type]  # numbers all
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [2, 3])
def test_a_recording_is_simulated_whole_or_not_at_all(version: Any, tmp_path: Path) -> None:
    made = simulate(
        tmp_path / "a" / "rec", rows=50, neurons=9, degree=3, chunk=20, codec="raw", zarr_format=version
    )
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["rec"]
    table = recording(made, 30).open()
    assert table.routes == {"timeseries": "pread"}
    assert table.arrays()["timeseries"] == ((9, 4), np.dtype("f4"))
    assert zarr.open_array(made / "metadata.zarr", mode="r").shape == (9, 5)
    with pytest.raises(GraphError, match="holds something"):
        simulate(made)


SIZE = st.integers(1, 30)


@pytest.mark.slow
@given(rows=SIZE, chunk=SIZE, columns=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_patches_cover_a_window_once(
    rows: int, chunk: int, columns: int, width: int, data: st.DataObject
) -> None:
    take = data.draw(st.integers(1, columns))
    start = data.draw(st.integers(0, rows - 1))
    stop = data.draw(st.integers(start + 1, rows))
    itemsize = data.draw(st.sampled_from([1, 1 << 20]))  # chunks that are cut, too
    grid = Grid((rows, columns), (chunk, width), (rows, take), itemsize)
    seen = np.zeros((stop - start, take), int)
    for piece in grid.pieces(start, stop, parts=data.draw(st.booleans())):
        assert isinstance(piece, Piece)
        for patch in grid.patches(piece, start):
            seen[patch.target] += 1
            for axis, (coord, inside, target) in enumerate(zip(*patch, strict=True)):
                begin = coord * (chunk, width)[axis] + inside.start
                assert begin == target.start + (start if axis == 0 else 0)
                assert inside.stop - inside.start == target.stop - target.start
    assert (seen == 1).all()


def test_metadata_of_another_shape_are_named(tmp_path: Path) -> None:
    write_array(tmp_path / "rec/timeseries.zarr", numbers((20, 6)), (8, 6))
    for shape in ((), (5,), (6, 0)):
        zarr.create_array(str(tmp_path / "rec/metadata.zarr"), shape=shape, dtype="f4", overwrite=True)
        if shape[:1] == (6,):
            recording(tmp_path / "rec", 9).open().close()
            continue
        with pytest.raises(DataError, match=r"metadata\.zarr: other neurons in the metadata; found shape"):
            recording(tmp_path / "rec", 9).open()


def test_an_estimate_is_made_of_what_is_not_written_yet(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(40, 6), chunks=(8, 6), dtype="f4")
    graph = fl.windows(tmp_path / "a.zarr", 9)
    assert sum(graph.memory().values()) > 9 * 6 * 4
    with pytest.raises(NoDataError, match="no chunk exists"), graph.iterate() as run:
        next(run)
