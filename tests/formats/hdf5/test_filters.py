"""Pipelines of filters are undone as HDF5 undoes them, whatever their order."""

from __future__ import annotations

import zlib
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.formats.hdf5.columns import CodedColumn
from flowload.formats.hdf5.filters import DEFLATE, LZF, SHUFFLE, Filter, expanded, undone
from flowload.formats.rows.hdf5 import Hdf5Rows
from tests.formats.rows.oracle import read

h5py = pytest.importorskip("h5py")

STEPS = ("shuffle", "deflate", "lzf")
PIPELINES = [order for count in (1, 2, 3) for order in permutations(STEPS, count)] + [("deflate", "deflate")]


def bytes_of(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


def written(path: Path, array: Any, chunk: int, pipeline: tuple[str, ...]) -> Path:
    """A file with one dataset, whose chunks went through these filters."""
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((chunk, *array.shape[1:]))
        for step in pipeline:
            if step == "shuffle":
                plist.set_shuffle()
            elif step == "deflate":
                plist.set_deflate(4)
            else:
                plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(array.shape)
        made = h5py.h5d.create(file.id, b"x", h5py.h5t.py_create(array.dtype), space, plist)
        h5py.Dataset(made)[...] = array
    return path


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">f8", "<i8,<i8,<i8"])
def test_any_order(pipeline: tuple[str, ...], dtype: str, tmp_path: Path) -> None:
    # Chunks of 7 rows of 3: behind gzip come numbers of bytes that no width divides.
    rng = np.random.default_rng(len(dtype))
    width = np.dtype(dtype).itemsize
    array = rng.integers(0, 3, 40 * 3 * width, np.uint8).view(dtype).reshape(40, 3)
    table = Hdf5Rows(written(tmp_path / "a.h5", array, 7, pipeline)).open()
    assert type(table.columns["x"]) is CodedColumn
    rows = rng.permutation(40)
    np.testing.assert_array_equal(read(table, rows)["x"], array[rows])
    table.close()


def test_what_is_left_over_by_shuffle_stays_where_it_is() -> None:
    assert undone(SHUFFLE, bytes_of(b"adbecfgh"), 8, 3).tobytes() == b"abcdefgh"


def undone_slowly(data: bytes, width: int) -> bytes:
    count = len(data) // width
    numbers = [bytes(data[byte * count + k] for byte in range(width)) for k in range(count)]
    return b"".join(numbers) + data[count * width :]


@pytest.mark.parametrize("size", range(12))
@pytest.mark.parametrize("width", [1, 2, 3, 5, 16])
def test_shuffle_as_its_twin(size: int, width: int) -> None:
    data = bytes(range(size))
    assert undone(SHUFFLE, bytes_of(data), size, width).tobytes() == undone_slowly(data, width)


def test_nothing_is_inflated_further_than_it_may() -> None:
    bomb = bytes_of(zlib.compress(bytes(64 << 20)))
    with pytest.raises(ValueError, match="more than 192 bytes"):
        undone(DEFLATE, bomb, 192, 0)
    with pytest.raises(ValueError, match="more than"):  # and what comes before another filter neither
        expanded(bomb, [Filter(SHUFFLE, 4), Filter(DEFLATE, 0), Filter(DEFLATE, 0)], 0, 192)


def test_data_that_are_damaged() -> None:
    whole = zlib.compress(b"abc" * 99)
    with pytest.raises(ValueError, match="of data that end too early"):
        undone(DEFLATE, bytes_of(whole[:-1]), 297, 0)
    with pytest.raises(ValueError, match="invalid"):
        undone(DEFLATE, bytes_of(b"\x78\x9c" + b"\xff" * 20), 297, 0)
    with pytest.raises(ValueError, match="LZF data that are damaged"):
        undone(LZF, bytes_of(b"\xff\xff\xff"), 297, 0)
