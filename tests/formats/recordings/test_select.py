"""`select=` and `rows=`: columns and neurons of arrays, compared with what zarr-python reads."""

from __future__ import annotations

import pickle
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
import torch
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.recordings import zarr_series
from flowload.formats.recordings.recording import ZarrArray, recording
from flowload.formats.recordings.selection.taking import pread_address
from flowload.formats.zarr.chunks.places import PlainChunks
from flowload.formats.zarr.chunks.reader import ChunkReader
from tests.formats.recordings.made import numbers, read_window, write_array

SHAPE = (40, 12, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One array in several ways of storing it."""
    root = tmp_path_factory.mktemp("arrays")
    data = numbers(SHAPE)
    write_array(root / "raw.zarr", data, (7, 5, 2))
    write_array(root / "wide.zarr", data, (9, 12, 5))
    write_array(root / "zstd.zarr", data, (7, 4, 5), codec="zstd")
    write_array(root / "old.zarr", data, (7, 5, 2), version=2, codec="lz4", order="F")
    write_array(root / "big.zarr", data.astype(">f4"), (8, 5, 3), version=2)
    write_array(root / "sharded.zarr", data, (4, 3, 5), shards=(8, 12, 5), codec="zstd")
    write_array(root / "flat.zarr", numbers((40, 12), "i2"), (6, 5))
    return root


def axis_of(size: int) -> st.SearchStrategy[Any]:
    """What may be asked for of an axis."""
    place = st.integers(-size, size - 1)
    ends = st.one_of(st.none(), place)
    cut = st.builds(slice, ends, ends, st.one_of(st.none(), st.integers(1, 4)))
    return st.one_of(
        st.none(),
        place,
        st.lists(place, min_size=1, max_size=6),
        cut.filter(lambda cut: bool(np.arange(size)[cut].size)),
    )


def picked(data: Any, neurons: Any, columns: Any) -> Any:
    """The same by numpy, one axis after the other, the last one first."""
    data = data if columns is None else data[..., columns]
    return data if neurons is None else data[:, neurons]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["raw", "wide", "zstd", "old", "big", "sharded"]),
    route=st.sampled_from([None, None, "zarr-python"]),
    keys=st.lists(st.tuples(axis_of(SHAPE[1]), axis_of(SHAPE[2])), min_size=1, max_size=3),
    begin=st.integers(0, 39),
    size=st.integers(1, 40),
    slowly=st.booleans(),
)
def test_selections_are_what_zarr_reads(
    name: str, route: str | None, keys: list[Any], begin: int, size: int, slowly: bool, folder: Path
) -> None:
    select = {f"k{i}": {"array": name, "neurons": n, "columns": c} for i, (n, c) in enumerate(keys)}
    with mock.patch.object(zarr_series, "taking_of", return_value=None) if slowly else nullcontext():
        table = recording(ZarrArray(str(folder / f"{name}.zarr"), route=route), size, select=select).open()
    found = read_window(table, begin)
    stored = zarr.open_array(folder / f"{name}.zarr", mode="r")[begin : begin + size]
    for i, (neurons, columns) in enumerate(keys):
        array = found[f"k{i}"]
        np.testing.assert_array_equal(array, picked(stored, neurons, columns))
        assert array.flags.c_contiguous
        assert array.dtype.isnative
    table.close()


@pytest.mark.parametrize("where", [{"neurons": [3, 1, 3]}, {"columns": slice(2, 9, 3)}, {"neurons": 11}])
def test_arrays_of_one_axis_behind_time(where: dict[str, Any], folder: Path) -> None:
    (picks,) = where.values()
    table = recording(folder / "flat.zarr", 13, select={"x": where}).open()
    np.testing.assert_array_equal(read_window(table, 20)["x"], numbers((40, 12), "i2")[20:33, picks])
    both = {"x": {"neurons": 1, "columns": 2}}
    with pytest.raises(DataError, match="key 'x': neurons and columns of one axis"):
        recording(folder / "flat.zarr", 13, select=both).open()


def test_a_chunk_is_read_once_and_only_where_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    inner = PlainChunks.open
    table = recording(
        folder / "raw.zarr",
        14,
        select={"x": {"columns": 4}, "y": {"columns": [4, 4], "neurons": slice(0, 5)}, "z": {"columns": 4}},
    ).open()

    def counted(self: PlainChunks, coords: tuple[int, ...]) -> Any:
        seen.append(coords)
        return inner(self, coords)

    monkeypatch.setattr(PlainChunks, "open", counted)
    read_window(table, 7)
    assert sorted(seen) == [(band, side, 2) for band in (1, 2) for side in range(3)]


@pytest.mark.parametrize("columns", [1, [2, 0], slice(0, 3, 2)])
def test_windows_that_leave_the_caches_are_streamed(
    columns: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_series, "is_large", lambda nbytes: True)
    data = numbers((20, 300, 3))
    path = write_array(tmp_path / "a.zarr", data, (7, 300, 3))
    table = recording(
        path, 18, select={"x": {"columns": columns}, "few": {"columns": 0, "neurons": 7}}
    ).open()
    found = read_window(table, 1)
    np.testing.assert_array_equal(found["x"], data[1:19, :, columns])
    np.testing.assert_array_equal(found["few"], data[1:19, 7, 0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ["raw", "zstd", "flat"])
def test_numbers_in_another_dtype(dtype: str, name: str, folder: Path) -> None:
    table = recording(folder / f"{name}.zarr", 25, dtype=dtype).open()
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    stored = zarr.open_array(folder / f"{name}.zarr", mode="r")[9:34]
    found = read_window(table, 9)[name]
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.asarray(stored).astype(kind))


@pytest.mark.skipif(pread_address() is None, reason="the system's pread is not known by its name")
@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["raw", "wide", "zstd", "sharded"])
def test_a_chunk_takes_one_call(
    name: str, dtype: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ChunkReader, "blocks")  # the way by Python is for what is broken, missing or rare
    select = {"x": {"columns": 1}, "y": {"columns": 3, "neurons": slice(2, 9)}}
    table = recording(folder / f"{name}.zarr", 30, select=select, dtype=dtype).open()
    stored = np.asarray(zarr.open_array(folder / f"{name}.zarr", mode="r")[5:35])
    found = read_window(table, 5)
    np.testing.assert_array_equal(found["x"], stored[:, :, 1].astype(found["x"].dtype))
    np.testing.assert_array_equal(found["y"], stored[:, 2:9, 3].astype(found["y"].dtype))


@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_what_is_broken_missing_or_too_large_is_named_and_the_rest_is_read(
    codec: str, tmp_path: Path
) -> None:
    data = numbers((20, 6, 2))
    data[13, 4, 1] = 1e9
    path = write_array(tmp_path / "a.zarr", data, (5, 6, 2), codec=codec)
    select = {"x": {"columns": 1}}
    half = recording(path, 20, select=select, dtype="float16").open()
    with pytest.raises(DataError, match=r"too large for float16.*1 numbers, up to 1e\+09"):
        read_window(half, 0)
    (path / "c/1/0/0").unlink()
    found = read_window(recording(path, 20, select=select).open(), 0)["x"]
    np.testing.assert_array_equal(found[10:], data[10:, :, 1])
    assert not found[5:10].any()
    chunk = path / "c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"chunk.*c/0/0/0"):
        read_window(recording(path, 20, select=select).open(), 0)


def test_a_dtype_that_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(MissingExtra, match=r"flowload\[bfloat16\]"):
        fl.windows(folder / "raw.zarr", 3, dtype="bfloat16")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_halves_are_tensors_of_torch(kind: torch.dtype, folder: Path) -> None:
    graph = fl.windows(folder / "raw.zarr", 40, dtype=kind, count=1) >> fl.to_device("cpu")
    with graph.iterate() as batches:
        found = next(batches)["raw"]
    assert found.dtype is kind
    assert torch.equal(found, torch.from_numpy(numbers(SHAPE)).to(kind))


def test_selections_are_values(folder: Path) -> None:
    select: dict[str, Any] = {"x": {"columns": slice(0, 2), "neurons": np.arange(3)}, "y": "raw"}
    records = recording(folder / "raw.zarr", 5, select=select, rows=[0, 20], dtype="float16")
    assert pickle.loads(pickle.dumps(records)) == records
    assert records == recording(folder / "raw.zarr", 5, select=select, rows=(0, 20), dtype=np.float16)
    assert records != recording(folder / "raw.zarr", 5, select=select, rows=(0, 21), dtype="float16")
    assert hash(records.select) == hash(records.select)


def test_a_number_that_is_too_large_is_told(tmp_path: Path) -> None:
    data = np.full((4, 3), 70_000, "f4")
    path = write_array(tmp_path / "a.zarr", data, (4, 3))
    table = recording(path, 4, dtype="float16").open()
    with pytest.raises(DataError, match="key 'a': too large for float16; found 12 numbers, up to 70000"):
        read_window(table, 0)


@pytest.mark.parametrize(
    ("select", "wanted"),
    [
        ({"x": {"columns": 5}}, r"raw\.zarr: key 'x': no such column; found 5; wanted 0 to 4"),
        ({"x": {"neurons": [0, -13]}}, "no such neuron; found -13"),
        ({"x": {"neurons": slice(5, 5)}}, "no neurons; found .* of 12 neurons"),
    ],
)
def test_places_that_are_not_there(select: dict[str, Any], wanted: str, folder: Path) -> None:
    with pytest.raises(DataError, match=wanted):
        recording(folder / "raw.zarr", 5, select=select).open()


def test_arrays_that_are_not_there(folder: Path) -> None:
    with pytest.raises(NoDataError, match=r"no such array; found 'nope'; wanted one of 'big', 'flat'"):
        recording(folder, 5, select={"x": "nope"}).open()
    table = recording(folder, 5, select={"x": "raw", "y": {"array": "flat.zarr", "neurons": 2}}).open()
    assert {key: shape for key, (shape, _) in table.arrays().items()} == {"x": (12, 5), "y": ()}
    with pytest.raises(GraphError, match=r"select\['x'\]: array is 'c'; the arrays are 'a', 'b'"):
        recording({"a": folder / "raw.zarr", "b": folder / "flat.zarr"}, 5, select={"x": "c"})


@pytest.mark.parametrize(
    ("select", "wanted"),
    [
        ({}, "select is {}"),
        ({"start": "x"}, "no key can be called 'start'"),
        ({"x": 3}, r"select\['x'\] is 3"),
        ({"x": {"column": 3}}, "has 'column'; it may have 'array', 'columns'"),
        ({"x": {"columns": True}}, "columns is True"),
        ({"x": {"columns": slice(None, None, -1)}}, "wanted a step from 1"),
        ({"x": {"neurons": np.ones(12, bool)}}, "np.flatnonzero"),
        ({"x": {"neurons": []}}, r"neurons is \[\]"),
        ({"x": {"neurons": 1.5}}, "neurons is 1.5"),
        ({"x": {"array": 3}}, "array is 3"),
        ({"x": {"dtype": "int8"}}, "dtype is 'int8'"),
    ],
)
def test_selections_that_say_nothing(select: Any, wanted: str, folder: Path) -> None:
    with pytest.raises(GraphError, match=wanted):
        recording(folder / "raw.zarr", 5, select=select)


@pytest.mark.parametrize(("rows", "first", "last"), [((4, 20), 4, 12), ((30, None), 30, 32), ((0, 8), 0, 0)])
def test_starts_are_uniform_in_a_range_to_its_last_place(
    rows: Any, first: int, last: int, folder: Path
) -> None:
    graph = fl.windows(folder / "raw.zarr", 8, rows=rows, count=300, select={"x": {"columns": 0}})
    with graph.iterate(seed=1) as batches:
        found = []
        for batch in batches:
            found.append(int(batch["start"]))
            assert batch["x"][0, 0] == numbers(SHAPE)[found[-1], 0, 0]
    counts = np.bincount(found)[first:]
    assert len(counts) == last - first + 1
    assert counts.min() > 0.4 * 300 / len(counts)


def test_ranges_that_are_none(folder: Path) -> None:
    for rows in ((5, 5), (-1, 4), 7, (1, 2, 3), [(0, 9), (0, 9)], (1.5, 4), "ab"):
        with pytest.raises(GraphError, match="rows"):
            fl.windows(folder / "raw.zarr", 3, rows=rows)
    with pytest.raises(DataError, match=r"no such rows; found 40 rows; wanted rows=\(10, 41\)"):
        recording(folder / "raw.zarr", 3, rows=(10, 41)).open()
    with pytest.raises(
        DataError, match="rows too few for a window; found rows 10 to 12; wanted at least the 3"
    ):
        recording(folder / "raw.zarr", 3, rows=(10, 12)).open()


def test_sequential_windows_of_a_range(folder: Path) -> None:
    graph = fl.windows(folder / "flat.zarr", 8, rows=(5, 25), order="sequential")
    with graph.iterate() as batches:
        found = [(int(batch["start"]), batch["flat"]) for batch in batches]
    assert [start for start, _ in found] == [5, 13, 21]
    np.testing.assert_array_equal(np.concatenate([x for _, x in found]), numbers((40, 12), "i2")[5:25])
