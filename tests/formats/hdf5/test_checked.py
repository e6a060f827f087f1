"""Kinds of HDF5 files that were read wrong past h5py, and what happens where both differ."""

from __future__ import annotations

import ctypes
import logging
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.errors import ClosedRun, DataError
from flowload.formats.hdf5.chunks import Chunks, list_chunks
from flowload.formats.hdf5.columns import ChunksColumn, CodedColumn, DatasetColumn
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.formats.rows.npy import MappedColumn
from tests.formats.rows.oracle import read

h5py = pytest.importorskip("h5py")

ARRAY = np.arange(1, 65, dtype="f4").reshape(16, 4)
ROWS = [15, 0, 3, 7, 7, 4]


def write(path: Path, array: NDArray[Any], how: dict[str, Any], **options: Any) -> Path:
    with h5py.File(path, "w", **options) as file:
        file.create_dataset("x", data=array, **how)
    return path


def check(path: Path, wanted: NDArray[Any], column: type) -> None:
    table = Hdf5Rows(path, "x").open()
    assert type(table.columns["x"]) is column
    rows = [row for row in ROWS if row < len(wanted)]
    found = read(table, rows)["x"]
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, wanted[rows])
    table.close()


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("maxshape", [(None, 4), (16, None), (None, None), (32, None), (32, 4)])
def test_any_axis_may_grow_without_limit(
    libver: str, maxshape: tuple[int | None, ...], tmp_path: Path
) -> None:
    for k, (chunk, how) in enumerate(product((1, 3, 16), ({}, {"compression": "gzip"}))):
        stored = {"chunks": (chunk, 4), "maxshape": maxshape, **how}
        path = write(tmp_path / f"{k}.h5", ARRAY, stored, libver=libver)
        check(path, ARRAY, CodedColumn if how else ChunksColumn)


def test_of_three_axes_the_last_may_grow(tmp_path: Path) -> None:
    array = np.arange(16 * 3 * 2).reshape(16, 3, 2)
    for axis in range(3):
        maxshape = tuple(None if k == axis else size for k, size in enumerate(array.shape))
        stored = {"chunks": (5, 3, 2), "maxshape": maxshape}
        check(write(tmp_path / f"{axis}.h5", array, stored, libver="latest"), array, ChunksColumn)


KINDS: dict[str, NDArray[Any]] = {
    "mixed": np.array([(k, k / 2) for k in range(16)], [("id", "<i4"), ("e", ">f8")]),
    "big": np.array([(k, k / 2) for k in range(16)], [("id", ">i4"), ("e", ">f8")]),
    "nested": np.array(
        [((k, -k), k) for k in range(16)], [("a", [("b", ">i2"), ("c", "<i2")]), ("d", ">u8")]
    ),
    "inner": np.array([([k, 2 * k], k) for k in range(16)], [("a", ">i2", (2,)), ("b", "<f4")]),
    "complex": (np.arange(16) + 1j).astype(">c16"),
    "bools": np.arange(16) % 3 == 0,
    "words": np.array([b"ab", b"", b"c", b"def"] * 4, "S3"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("how", "column"),
    [
        ({}, MappedColumn),
        ({"chunks": (3,)}, ChunksColumn),
        ({"chunks": (3,), "compression": "gzip", "shuffle": True}, CodedColumn),
        ({"chunks": (3,), "fletcher32": True}, DatasetColumn),
    ],
)
def test_numbers_of_any_byte_order(kind: str, how: dict[str, Any], column: type, tmp_path: Path) -> None:
    check(write(tmp_path / "a.h5", KINDS[kind], how), KINDS[kind], column)


@pytest.mark.parametrize("base", ["<f4", ">f4"])
@pytest.mark.parametrize(
    ("how", "column"),
    [
        ({}, MappedColumn),
        ({"chunks": (3,)}, ChunksColumn),
        ({"chunks": (3,), "compression": "gzip", "shuffle": True}, CodedColumn),
        ({"chunks": (3,), "fletcher32": True}, DatasetColumn),
    ],
)
def test_array_types_are_further_axes(base: str, how: dict[str, Any], column: type, tmp_path: Path) -> None:
    wanted = np.arange(16 * 6, dtype=base).reshape(16, 2, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", (16,), np.dtype((base, (2, 3))), **how)
        made[...] = wanted
    check(tmp_path / "a.h5", wanted, column)


@pytest.mark.parametrize(
    "how",
    [
        {"fletcher32": True, "compression": "gzip"},
        {"scaleoffset": 0},
        {"compression": "szip"},
    ],
)
def test_filters_that_only_hdf5_undoes(how: dict[str, Any], tmp_path: Path) -> None:
    array = np.arange(64).reshape(16, 4)
    try:
        path = write(tmp_path / "a.h5", array, {"chunks": (4, 4), **how})
    except (ValueError, OSError):
        pytest.skip("this HDF5 has no such filter")
    check(path, array, DatasetColumn)


def test_a_filter_that_nobody_has(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4, 4))
        plist.set_filter(32999, h5py.h5z.FLAG_OPTIONAL)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((16, 4)), plist)
        for row in range(0, 16, 4):
            made.write_direct_chunk((row, 0), bytes(64), filter_mask=0)
    with pytest.raises(DataError, match=r"a\.h5: x: unknown filter; found number 32999; wanted one that"):
        Hdf5Rows(tmp_path / "a.h5").open()


def test_references_bits_and_words_of_any_length(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("references", (3,), h5py.ref_dtype)
        file["words"] = ["a", "bc", "d"]
        file.create_dataset("lists", (3,), h5py.vlen_dtype("i4"))
        space = h5py.h5s.create_simple((3,))
        bits = h5py.Dataset(h5py.h5d.create(file.id, b"bits", h5py.h5t.STD_B8LE, space))
        bits.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 255, 7], "u1"), h5py.h5t.STD_B8LE)
        h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, space)
    for name in ("references", "words", "lists", "time"):
        with pytest.raises(DataError, match=rf"a\.h5: {name}: array of another kind; found ."):
            Hdf5Rows(tmp_path / "a.h5", name).open()
    table = Hdf5Rows(tmp_path / "a.h5", "bits").open()
    assert read(table, [2, 1])["bits"].tolist() == [7, 255]
    table.close()


@pytest.mark.parametrize("how", [{}, {"chunks": (4, 4)}, {"chunks": (4, 4), "compression": "gzip"}])
def test_what_is_closed_is_not_read(how: dict[str, Any], tmp_path: Path) -> None:
    table = Hdf5Rows(write(tmp_path / "a.h5", ARRAY, how)).open()
    table.close()
    with pytest.raises(ClosedRun, match=r"a\.h5: x: read after it was closed"):
        read(table, [3])


# ---- where they differ


@pytest.mark.parametrize("how", [{}, {"compression": "gzip"}])
def test_a_difference_leaves_the_set_to_h5py_and_says_so(
    how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def turned(*args: Any, **options: Any) -> Chunks | None:
        chunks = list_chunks(*args, **options)
        assert chunks is not None
        return chunks._replace(begins=chunks.begins[::-1].copy(), sizes=chunks.sizes[::-1].copy())

    monkeypatch.setattr("flowload.formats.hdf5.file.list_chunks", turned)
    path = write(tmp_path / "a.h5", ARRAY, {"chunks": (4, 4), **how})
    with caplog.at_level(logging.WARNING, "flowload"):
        check(path, ARRAY, DatasetColumn)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{path}: x: h5py reads all of it, slowly: what is read past it differs, row 0: other numbers"
    )


def test_an_old_hdf5_does_not_count_a_user_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(h5py.version, "hdf5_version_tuple", (1, 14, 3))
    monkeypatch.setattr(h5py.version, "hdf5_version", "1.14.3")
    for block, column in ((0, ChunksColumn), (512, DatasetColumn)):
        path = write(tmp_path / f"{block}.h5", ARRAY, {"chunks": (4, 4)}, userblock_size=block)
        check(path, ARRAY, column)
        check(write(tmp_path / f"{block}c.h5", ARRAY, {}, userblock_size=block), ARRAY, MappedColumn)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / '512.h5'}: x: h5py reads all of it, slowly: "
        "HDF5 1.14.3 does not say where chunks are behind a user block"
    ]


def test_an_hdf5_that_lists_no_chunks_reads_them_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowload.formats.hdf5.chunks.listing_of", lambda dataset: None)
    check(write(tmp_path / "a.h5", ARRAY, {"chunks": (4, 4)}), ARRAY, DatasetColumn)


def set_chunk_options(plist: Any) -> None:
    """`H5Pset_chunk_opts(plist, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS)`, which h5py does not have."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    paths = {line.split()[-1] for line in lines if "libhdf5" in line and "_hl" not in line}
    if not paths:
        pytest.skip("no HDF5 library to be found")
    function = ctypes.CDLL(paths.pop()).H5Pset_chunk_opts
    function.argtypes = [ctypes.c_int64, ctypes.c_uint]
    assert function(plist.id, 2) == 0


@pytest.mark.parametrize("step", ["shuffle", "deflate"])
def test_a_last_chunk_that_the_filters_left_alone(step: str, tmp_path: Path) -> None:
    array = np.zeros((15, 4), "u2")
    array[9] = 77  # which shuffle would take apart to rows between the first and the last of the chunk
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((8, 4))
        getattr(plist, f"set_{step}")(*([4] if step == "deflate" else []))
        set_chunk_options(plist)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT16, h5py.h5s.create_simple((15, 4)), plist)
        h5py.Dataset(made)[...] = array
    check(tmp_path / "a.h5", array, DatasetColumn)
    table = Hdf5Rows(tmp_path / "a.h5").open()
    np.testing.assert_array_equal(read(table, range(15))["x"], array)
    table.close()
