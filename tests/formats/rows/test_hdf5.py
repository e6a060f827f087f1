"""HDF5 rows are what h5py reads, however a dataset is stored."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError, MissingExtra, NoDataError
from flowload.formats.hdf5.columns import ChunksColumn, CodedColumn, DatasetColumn
from flowload.formats.rows.columns import Column
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.formats.rows.npy import MappedColumn
from tests.formats.rows.oracle import arrays_of, check_records, opened_by_a_child, read

h5py = pytest.importorskip("h5py")

N = 50
ARRAYS = arrays_of(N)

#: How a dataset may be stored, and what reads it then.
STORED: dict[str, tuple[dict[str, Any], type]] = {
    "contiguous": ({}, MappedColumn),
    "chunks": ({"chunks": 7}, ChunksColumn),
    "one chunk": ({"chunks": N}, ChunksColumn),
    "deflated": ({"chunks": 7, "compression": "gzip"}, CodedColumn),
    "shuffled": ({"chunks": 7, "compression": "gzip", "shuffle": True}, CodedColumn),
    "shuffled alone": ({"chunks": 7, "shuffle": True}, CodedColumn),
    "lzf": ({"chunks": 7, "compression": "lzf"}, CodedColumn),
    "lzf of shuffled": ({"chunks": 7, "compression": "lzf", "shuffle": True}, CodedColumn),
    "checked": ({"chunks": 7, "fletcher32": True}, DatasetColumn),
    "cut across rows": ({"chunks": 7, "cut": True}, DatasetColumn),
    "growing": ({"chunks": 7, "maxshape": None}, ChunksColumn),
}


def write(path: Path, how: dict[str, Any] | None = None, **options: Any) -> Path:
    with h5py.File(path, "w", **options) as file:
        for key, array in ARRAYS.items():
            given_ = dict(how or {})
            cut = given_.pop("cut", False)
            if "chunks" in given_:
                whole = array.shape[1:]
                across = tuple(max(1, size // 2) for size in whole) if cut else whole
                given_["chunks"] = (given_["chunks"], *across)
            if "maxshape" in given_:
                given_["maxshape"] = (None, *array.shape[1:])
            file.create_dataset(key, data=array, **given_)
    return path


def columns(records: Hdf5Rows) -> dict[str, Column]:
    table = records.open()
    table.close()
    return table.columns


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("userblock", [0, 512])
def test_every_way_to_store_them(kind: str, userblock: int, tmp_path: Path) -> None:
    how, column = STORED[kind]
    records = Hdf5Rows(write(tmp_path / "a.h5", how, userblock_size=userblock))
    check_records(records, {key: ARRAYS[key] for key in sorted(ARRAYS)})
    found = columns(records)
    assert type(found["images"]) is column
    if kind != "cut across rows":  # a row of one number cannot be cut
        assert {type(each) for each in found.values()} == {column}


@pytest.mark.slow
@given(
    n=st.integers(1, 40),
    chunk=st.integers(1, 45),
    rows=st.lists(st.integers(0, 39), max_size=30),
    how=st.sampled_from(
        [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True}]
    ),
)
@settings(max_examples=60)
def test_any_chunks_and_rows(
    tmp_path_factory: pytest.TempPathFactory, n: int, chunk: int, rows: list[int], how: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.h5"
    wanted = np.random.default_rng(n).integers(-9, 9, (n, 3)).astype(">i2")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (n, 3), ">i2", chunks=(min(chunk, n), 3), fillvalue=5, **how)
        file["x"][n // 3 :] = wanted[n // 3 :]  # the first chunks may never be written
        wanted[: n // 3] = 5
    table = Hdf5Rows(path).open()
    rows = [row for row in rows if row < n]
    np.testing.assert_array_equal(read(table, rows)["x"], wanted[rows])
    table.close()


@pytest.mark.slow
def test_datasets_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["train/x"] = ARRAYS["images"]
    check_records(Hdf5Rows(path, "labels"), {"labels": ARRAYS["labels"]})
    check_records(Hdf5Rows(path, ("labels", "big")), {key: ARRAYS[key] for key in ("labels", "big")})
    records = Hdf5Rows(path, {"x": "train/x", "y": "labels"})
    check_records(records, {"x": ARRAYS["images"], "y": ARRAYS["labels"]})
    assert opened_by_a_child(records)
    assert [*columns(Hdf5Rows(path))] == sorted(ARRAYS)  # those of the root group


def test_kinds_that_numpy_has_no_plain_bytes_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["bools"] = ARRAYS["flags"] > 99
        file["halves"] = ARRAYS["images"].astype(np.float16)
        file["complex"] = ARRAYS["big"].astype(complex)
        kinds = h5py.enum_dtype({"dark": 0, "light": 300}, basetype=">i2")
        file.create_dataset("kinds", data=ARRAYS["labels"] % 2 * 300, dtype=kinds)
        file["pairs"] = np.zeros(N, [("a", "u1"), ("b", ">f4", (2,))])
        wanted = {key: file[key][:] for key in file}
    records = Hdf5Rows(tmp_path / "a.h5")
    check_records(records, wanted)


def test_data_that_lie_in_another_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["linked"] = h5py.ExternalLink(str(path), "labels")
        layout = h5py.VirtualLayout((N, 7), "u1")
        layout[:] = h5py.VirtualSource(str(path), "flags", (N, 7))
        file.create_virtual_dataset("virtual", layout)
        raw = tmp_path / "raw.bin"
        raw.write_bytes(ARRAYS["labels"].tobytes())
        file.create_dataset("raw", (N,), "i8", external=[(str(raw), 0, N * 8)])
    records = Hdf5Rows(tmp_path / "b.h5")
    check_records(records, {"linked": ARRAYS["labels"], "raw": ARRAYS["labels"], "virtual": ARRAYS["flags"]})
    assert {type(column) for column in columns(records).values()} == {DatasetColumn}


@pytest.mark.parametrize("kind", ["contiguous", "chunks", "deflated", "lzf"])
def test_a_truncated_file(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", STORED[kind][0])
    size = path.stat().st_size
    for left in (size - 1, size // 2):
        with path.open("r+b") as file:
            file.truncate(left)
        with pytest.raises(DataError, match=f"a.h5: truncated; found {left:,} bytes; wanted {size:,} bytes"):
            Hdf5Rows(path).open()


def test_a_chunk_that_cannot_be_inflated(tmp_path: Path) -> None:
    for kind in ("deflated", "checked"):
        path = write(tmp_path / f"{kind}.h5", STORED[kind][0])
        with h5py.File(path) as file:
            info = file["images"].id.get_chunk_info(3)
        with path.open("r+b") as raw:
            raw.seek(info.byte_offset + 4)
            raw.write(b"\xff" * 40)
        table = Hdf5Rows(path, "images").open()
        assert len(read(table, [0, 20])["images"]) == 2
        with pytest.raises(DataError, match=rf"{kind}\.h5: images, rows 2[1-8] to 2\d: unreadable; found ."):
            read(table, [0, 21])
        table.close()
        graph = fl.rows(Hdf5Rows(path, "images")) >> fl.batch(7, on_error="skip")
        with graph.iterate() as run:
            assert sum(len(batch["images"]) for batch in run) == N - 7
        assert run.stats().stages["batch"].dropped == {"unreadable": 7}


def test_a_chunk_that_inflates_to_another_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", STORED["deflated"][0])
    with h5py.File(path, "a") as file:
        file["flags"].id.write_direct_chunk((7, 0), zlib.compress(b"short"))
    table = Hdf5Rows(path, "flags").open()
    with pytest.raises(DataError, match="rows 7 to 14: wrong size; found 5 bytes; wanted 49 bytes"):
        read(table, [8])
    table.close()


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (
            "absent",
            "a.h5: absent: no such dataset; found big, flags, group, .*; wanted absent",
        ),
        ("group", "a.h5: group: no such dataset"),
        ("text", r"a.h5: text: array of another kind; found object\[3\]; wanted numbers, one row a sample"),
        ("one", r"a.h5: one: array of another kind; found int64\[\]"),
        ("nothing", "a.h5: nothing: array of another kind"),
        (
            ("odd", "labels"),
            "a.h5: labels: columns of different length; found 50 rows; wanted 49 rows, as in .*odd",
        ),
    ],
)
def test_datasets_that_do_not_fit(datasets: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.create_group("group")
        file["text"] = ["a", "b", "c"]
        file["one"] = 1
        file["nothing"] = h5py.Empty("f4")
        file["odd"] = np.zeros(49)
    with pytest.raises(DataError, match=message):
        Hdf5Rows(path, datasets).open()
    h5py.File(path, "a").close()  # nobody holds it open


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"absent\.h5: no such file"):
        Hdf5Rows(tmp_path / "absent.h5").open()
    (tmp_path / "text.h5").write_text("text" * 100)
    with pytest.raises(DataError, match=r"text\.h5: no HDF5 file; found .*signature"):
        Hdf5Rows(tmp_path / "text.h5").open()
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(NoDataError, match=r"empty\.h5: no dataset; found nothing; wanted at least one"):
        Hdf5Rows(tmp_path / "empty.h5").open()
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["x"] = np.zeros((0, 3))
    with (
        pytest.raises(NoDataError, match="no records; found 0 rows"),
        (fl.rows(Hdf5Rows(tmp_path / "none.h5")) >> fl.batch(2)).iterate() as run,
    ):
        list(run)


def test_bad_parameters() -> None:
    with pytest.raises(GraphError, match="Hdf5Rows: path is 3; wanted a path"):
        Hdf5Rows(3)
    with pytest.raises(GraphError, match="Hdf5Rows: datasets: none are named"):
        Hdf5Rows("a.h5", [])


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.formats.rows.columns.import_module", absent)
    message = re.escape("h5py is not installed; try: pip install 'flowload[hdf5]'")
    with pytest.raises(MissingExtra, match=message):
        Hdf5Rows("a.h5").open()


@pytest.mark.parametrize("how", [{"compression": "lzf"}, {"compression": "gzip", "shuffle": True}])
def test_chunks_of_which_a_filter_made_nothing_smaller(how: dict[str, Any], tmp_path: Path) -> None:
    """LZF leaves noise as it is, and HDF5 notes so at the chunk."""
    noise = np.random.default_rng(0).integers(0, 256, (N, 40), np.uint8)
    noise[: N // 2] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("noise", data=noise, chunks=(5, 40), **how)
        if how["compression"] == "lzf":
            masks = {file["noise"].id.get_chunk_info(k).filter_mask for k in range(10)}
            assert masks == {0, 1}
        file["noise"].id.write_direct_chunk((45, 0), noise[45:].tobytes(), filter_mask=3)
    check_records(Hdf5Rows(tmp_path / "a.h5"), {"noise": noise})


def test_dimensions_of_netcdf_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(12.0).reshape(4, 3)
        for name, size, said in (
            ("axis", 3, "This is a netCDF dimension but not a netCDF variable.         3"),
            ("row", 4, "row"),
        ):
            file.create_dataset(name, (size,), ">f4")
            file[name].make_scale(said)
        file["row"][:] = range(4)
    table = Hdf5Rows(path).open()
    assert sorted(table.columns) == ["row", "x"]
    table.close()
    with pytest.raises(NoDataError, match="axis: never written"):
        Hdf5Rows(path, "axis").open()
