"""Whatever users have as arrays becomes rows, value for value, or is refused in one line that says how."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.errors import GraphError
from flowload.stages.rows.given_arrays import as_array, library

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.arange(6)


def rows(given: Any) -> dict[str, Any]:
    """All rows, in two batches, as lists."""
    with (fl.rows(given) >> fl.batch(4)).iterate() as batches:
        parts = list(batches)
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def strided() -> Any:
    return np.repeat(X, 2, axis=1)[:, ::2]


GOOD = [
    ({"x": X, "y": Y}, {"x": X, "y": Y}),
    (X, {"x": X}),
    ((X, Y), {"0": X, "1": Y}),
    (torch.from_numpy(X), {"x": X}),
    (
        {
            "x": torch.from_numpy(X).t().contiguous().t(),
            "c": torch.arange(6) * torch.tensor(1 + 2j, dtype=torch.complex128),
        },
        {"x": X, "c": Y * (1 + 2j)},
    ),
    ({"c": torch.conj(torch.arange(6) * torch.tensor(2j, dtype=torch.complex128))}, {"c": Y * -2j}),
    ([1, 2, 3], {"x": np.array([1, 2, 3])}),
    ([[1, 2.5], [3, 4]], {"x": np.array([[1, 2.5], [3, 4]])}),
    (["a", "bcd"], {"x": np.array(["a", "bcd"])}),
    ([True, False], {"x": np.array([True, False])}),
    ([X[0], X[1]], {"x": X[:2]}),
    ([torch.tensor([1, 2]), torch.tensor([3, 4])], {"x": np.array([[1, 2], [3, 4]])}),
    ([{"x": X[i], "y": i} for i in range(6)], {"x": X, "y": Y}),
    ([(X[i], i) for i in range(6)], {"0": X, "1": Y}),
    ({"x": np.ma.masked_array(X, np.zeros(X.shape, bool))}, {"x": X}),
    ({"x": X[::-1]}, {"x": X[::-1]}),
    ({"x": np.asfortranarray(X)}, {"x": X}),
    ({"x": strided()}, {"x": X}),
    ({"x": X.astype(">f4")}, {"x": X}),
    ({"x": np.broadcast_to(np.float32(3), (6, 2))}, {"x": np.full((6, 2), 3, np.float32)}),
    ({"x": np.array(["a", "bc", ""], object)}, {"x": np.array(["a", "bc", ""])}),
    ({"x": np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")])}, None),
    ({"x": np.array(["2020-01-01", "NaT"], "M8[D]")}, None),
    ({"x": np.array([b"ab", b"c"])}, None),
    ({"x": np.zeros((6, 0))}, {"x": np.zeros((6, 0))}),
    ({"x": np.array([1, 2], np.float16)}, {"x": np.array([1, 2], np.float16)}),
]


@pytest.mark.parametrize(("given", "wanted"), GOOD, ids=[str(k) for k in range(len(GOOD))])
def test_value_for_value(given: Any, wanted: dict[str, Any] | None) -> None:
    found, wanted = rows(given), given if wanted is None else wanted
    assert list(found) == list(wanted)
    for key, array in wanted.items():
        assert found[key].dtype == np.asarray(array).dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[key], array)


def test_tensors_are_read_where_they_lie() -> None:
    tensor = torch.zeros(6, 2)
    assert np.shares_memory(as_array(tensor, "x"), tensor.numpy())


BAD = [
    ({"x": np.ma.masked_array(Y, Y == 2)}, "1 of its 6 values are masked", "x.filled(0)"),
    ({"x": torch.zeros(3, requires_grad=True)}, "'x' is a tensor that requires grad", "x.detach()"),
    ({"x": torch.nn.Parameter(torch.zeros(3))}, "requires grad", "x.detach()"),
    ({"x": torch.zeros(3, device="meta")}, "'x' is a tensor on meta", "x.cpu()"),
    ({"x": torch.zeros(3, dtype=torch.bfloat16)}, "'x' is a tensor of torch.bfloat16", "x.float()"),
    ({"x": torch.eye(3).to_sparse()}, "'x' is a tensor of torch.float32 (torch.sparse_coo)", "numpy has not"),
    ({"x": np.array([1, "a", None], object)}, "dtype object of NoneType, int, str", "astype(np.float32)"),
    ({"x": np.array([X, Y[:2]], object)}, "dtype object of ndarray", "numbers or text of one dtype"),
    ({"x": np.array([(1, "a")], [("a", "i4"), ("b", object)])}, "Python's objects cannot be copied", ""),
    ({"x": np.array(["a\0", "b"], object)}, "text that ends in '\\0'", "its bytes as numbers"),
    ([b"a\0", b"b"], "text that ends in '\\0'", ""),
    ([1, "a"], "'x' is a list of int, str", "numbers of one kind, or text"),
    ([1, None], "'x' is a list of NoneType, int", ""),
    ([[1, 2], [3]], "'x' is a list that is no array: ", ""),
    ([2**63, -1], "whole numbers that no integer of 64 bits holds", "say a dtype"),
    ([X, Y], "a list of unlike arrays: element 1 is int64[6]", "a dict or a tuple"),
    ([{"x": X[0]}, {"x": X[0, :1]}], "rows: sample 1: unlike samples", "found x float32[1]"),
    ({"x": X, "y": Y[:5]}, "arrays of equal length are wanted; found x [6], y [5]", ""),
    ({"x": {1, 2}}, "'x' is set, which is no array", ""),
    ({1: X}, "a key is 1; wanted text", ""),
    (np.float32(3), "a single value of float32", "one row a sample"),
    ([], "'x'", ""),
    ("a.npy", "'a.npy' is a path; wanted NpyRows('a.npy')", ""),
    (Path("a.h5"), "'a.h5' is a path; wanted Hdf5Rows('a.h5')", ""),
    ("a/", "'a/' is a path; wanted records of it", ""),
    (SimpleNamespace(), "SimpleNamespace is not records; wanted an object such as", ""),
]  # fmt: skip


@pytest.mark.parametrize(("given", "found", "hint"), BAD, ids=[str(k) for k in range(len(BAD))])
def test_what_is_refused_says_why_in_one_line(given: Any, found: str, hint: str) -> None:
    with pytest.raises(GraphError) as caught:
        fl.rows(given)
    message = str(caught.value)
    assert "rows: " in message
    assert found in message
    assert hint in message
    assert "\n" not in message


def test_hdf5_datasets_are_read_where_they_lie(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["g/x"], file["y"] = X, Y
        with pytest.raises(GraphError, match=r"open for writing, .*Hdf5Rows\(path\)"):
            fl.rows({"x": file["y"]})
    with h5py.File(path, "r") as file:
        graphs = [
            fl.rows({"x": file["g/x"], "y": file["y"]}),
            fl.rows((file["g/x"], file["y"])),
        ]
        alone, group = fl.rows(file["y"]), fl.rows(file["g"])
        with pytest.raises(GraphError, match="'g' is a group of HDF5; wanted datasets"):
            fl.rows(file)
        with pytest.raises(GraphError, match="'x' is h5py's, on disk, beside arrays of another kind"):
            fl.rows({"x": file["g/x"], "y": Y})
        closed = file["y"]
    with pytest.raises(GraphError, match="of a file that was closed"):
        fl.rows(closed)
    with h5py.File(path) as file, pytest.raises(GraphError, match="'y' is AsTypeView of h5py, which is no"):
        fl.rows({"y": file["y"].astype("f8")})
    for graph, keys in zip(graphs, (["x", "y"], ["0", "1"]), strict=True):
        with (graph >> fl.batch(6)).iterate() as batches:
            (batch,) = batches
        assert [batch[key].tolist() for key in keys] == [X.tolist(), Y.tolist()]
    with (alone >> fl.batch(6)).iterate() as batches:
        assert next(batches)["x"].tolist() == Y.tolist()
    with (group >> fl.batch(6)).iterate() as batches:
        assert next(batches)["x"].tolist() == X.tolist()
    with h5py.File("memory.h5", "w", driver="core", backing_store=False) as file:
        file["x"] = X
        with pytest.raises(GraphError, match="which is no file on disk"):
            fl.rows(file["x"])


def test_zarr_arrays_are_read_where_they_lie(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    x = group.create_array("x", data=X, chunks=(2, 2))
    y = group.create_array("sub/y", data=Y, chunks=(2,))
    alone = zarr.create_array(tmp_path / "a.zarr", data=Y, chunks=(4,))
    with (fl.rows({"x": x, "label": y}) >> fl.batch(6)).iterate() as batches:
        (batch,) = batches
    assert {key: batch[key].tolist() for key in batch} == {"x": X.tolist(), "label": Y.tolist()}
    with (fl.rows(group) >> fl.batch(6)).iterate() as batches:
        assert next(batches)["x"].tolist() == X.tolist()
    with (fl.rows(alone) >> fl.batch(6)).iterate() as batches:
        (array,) = next(batches).values()
        assert array.tolist() == Y.tolist()
    with (fl.rows({"a": alone, "b": y}) >> fl.batch(6)).iterate() as batches:
        (batch,) = batches
    assert {key: batch[key].tolist() for key in batch} == {"a": Y.tolist(), "b": Y.tolist()}
    with (fl.rows({"label": alone}) >> fl.batch(6)).iterate() as batches:
        assert list(next(batches)) == ["label"]
    with (fl.rows(alone) >> fl.batch(6)).iterate() as batches:
        assert list(next(batches)) == ["x"]  # as of any array alone
    with zarr.storage.ZipStore(tmp_path / "z.zip", mode="w") as store:
        zarr.create_array(store, data=Y)
    with zarr.storage.ZipStore(tmp_path / "z.zip", mode="r") as store:
        packed = zarr.open_array(store, mode="r")
        with (fl.rows({"a": alone, "b": packed}) >> fl.batch(6)).iterate() as batches:
            (batch,) = batches
    assert {key: batch[key].tolist() for key in batch} == {"a": Y.tolist(), "b": Y.tolist()}
    with pytest.raises(GraphError, match=r"in MemoryStore, which is no folder or zip; x\[:\]"):
        fl.rows(zarr.create_array(zarr.storage.MemoryStore(), data=Y))


def test_tables_of_pandas_and_pyarrow() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, None], "name": ["a", "bc"]})
    found = rows(frame)
    assert found["name"].tolist() == ["a", "bc"]
    np.testing.assert_array_equal(found["x"], [1.0, np.nan])
    with pytest.raises(GraphError, match="'n' lacks 1 of 2 values"):
        fl.rows(pandas.DataFrame({"n": pandas.array([1, None], "Int64")}))


def test_columns_of_pyarrow() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"x": [1, 2], "name": ["a", "bc"]})
    assert {key: array.tolist() for key, array in rows(table).items()} == {"x": [1, 2], "name": ["a", "bc"]}
    with pytest.raises(GraphError, match="'x' lacks 1 of 2 values"):
        fl.rows(pyarrow.table({"x": [1, None]}))


class Column:
    """Stands in for a column of a library that is not installed here."""

    __module__ = "pandas.core"
    ndim = 1

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def to_numpy(self) -> Any:
        return np.array(self.values, object if None in self.values else None)

    def isna(self) -> Any:
        return np.array([value is None for value in self.values])


def test_a_column_that_lacks_values_is_told() -> None:
    assert library(Column([1])) == "pandas"
    assert as_array(Column([1, 2]), "x").tolist() == [1, 2]
    with pytest.raises(GraphError, match=r"x lacks 1 of 2 values; x.fillna"):
        as_array(Column([1, None]), "x")


class Chunked:
    """Stands in for a column of pyarrow."""

    __module__ = "pyarrow.lib"

    def __init__(self, null_count: int) -> None:
        self.null_count = null_count

    def __len__(self) -> int:
        return 2

    def combine_chunks(self) -> Chunked:
        return self

    def to_numpy(self, *, zero_copy_only: bool) -> Any:
        assert not zero_copy_only
        return Y[:2]


def test_a_column_of_arrow_with_nulls_is_told() -> None:
    assert as_array(Chunked(0), "x").tolist() == [0, 1]
    with pytest.raises(GraphError, match=r"x lacks 1 of 2 values; x.fill_null"):
        as_array(Chunked(1), "x")
