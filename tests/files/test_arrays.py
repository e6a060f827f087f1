from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from flowload.errors import DataError, NoDataError
from flowload.files.arrays import Dump, map_array, read_array
from flowload.files.guard import Guard

DUMP = Dump(np.dtype(np.uint8), (193,))

READERS: list[Callable[[Path], Any]] = [lambda path: map_array(path, Guard()), read_array]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@pytest.mark.parametrize("shape", [(5,), (3, 7), (0, 7), (2, 3, 4), ()])
def test_npy_files_are_what_numpy_says(
    tmp_path: Path, version: tuple[int, int], dtype: str, shape: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        npy.write_array(file, array, version=version)
    found = map_array(path, Guard(), dump=DUMP)
    np.testing.assert_array_equal(found, np.load(path))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert not found.size or not found.flags.writeable


def test_a_dump_has_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for rows in (0, 1, 3):
        data = np.random.default_rng(0).integers(0, 2, (rows, 193), np.uint8)
        path.write_bytes(data.tobytes())
        np.testing.assert_array_equal(map_array(path, Guard(), dump=DUMP), data)
    path.write_bytes(bytes(400))
    with pytest.raises(
        DataError, match=r"x\.npy: wrong file size; found 400 bytes; wanted .* 193, such as 386"
    ):
        map_array(path, Guard(), dump=DUMP)


@pytest.mark.parametrize("change", [-1, 1, -100, 1000])
def test_a_wrong_size_is_told_with_both(tmp_path: Path, change: int) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((100, 193), np.uint8))
    size = path.stat().st_size
    os.truncate(path, size + change)
    with pytest.raises(DataError, match=f"wrong file size; found {size + change} bytes; wanted {size} bytes"):
        map_array(path, Guard())


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([1, None], object), r"object\[2\]"),
        (np.asfortranarray(np.zeros((3, 4))), r"float64\[3, 4\] in columns"),
    ],
)
def test_other_kinds_are_refused(tmp_path: Path, array: Any, said: str) -> None:
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(DataError, match=said):
        map_array(path, Guard())


@pytest.mark.parametrize(
    "data",
    [
        npy.MAGIC_PREFIX,
        npy.MAGIC_PREFIX + b"\x09\x00" + bytes(100),
        npy.MAGIC_PREFIX + b"\x01\x00\x10\x00{'descr': broken",
        npy.MAGIC_PREFIX + b"\x01\x00\xff\xff",
    ],
)
def test_bad_headers_are_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.npy: bad \.npy header"):
        map_array(path, Guard())


def test_a_shape_that_no_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (2**62, 193)})
    with pytest.raises(DataError, match=f"wanted {2**62 * 193 + 128} bytes"):
        map_array(path, Guard())
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (-5, 193)})
    with pytest.raises(DataError, match="lengths from 0"):
        map_array(path, Guard())


def test_without_a_header_it_must_be_known_what_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(bytes(193))
    with pytest.raises(DataError, match=r"no \.npy file; found 193 bytes without its header"):
        map_array(path, Guard())


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="gone: no such file"):
        map_array(tmp_path / "gone", Guard(), dump=DUMP)


def test_no_descriptor_stays_when_the_array_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(5))
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(50):
        map_array(path, Guard())
    after = len(list(Path("/proc/self/fd").iterdir())) if before else 0
    assert after <= before + 1


@pytest.mark.parametrize("shape", [(2**62, 0), (2**33, 2**33, 0), (0, 2**62), (0, 2**33, 2**33)])
def test_rows_without_bytes_are_not_without_bounds(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    for read in READERS:
        with pytest.raises(DataError, match=r"x\.npy: too many rows; found float32\["):
            read(path)


@pytest.mark.parametrize("dtype", ["uint8", ">i8", "float32"])
def test_a_copy_is_the_same_and_its_own(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "x.npy"
    array = np.arange(1000).astype(dtype).reshape(10, 100)
    np.save(path, array)
    guard = Guard()
    found = read_array(path, guard)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    np.save(path, array + 1)
    np.testing.assert_array_equal(found, array)
    with pytest.raises(DataError, match="file changed"):
        guard.check()


def test_a_file_that_is_cut_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(1000))
    read = os.preadv

    def preadv(fd: int, buffers: Any, offset: int) -> int:
        if offset > 2000:
            os.truncate(path, 2000)
        return read(fd, [buffers[0][:1000]], offset)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(DataError, match="file changed; found 2,000 bytes; wanted 8,128 bytes"):
        read_array(path)


def test_a_pipe_is_no_array(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    for read in READERS:
        with pytest.raises(DataError, match="not a file; found a pipe"):
            read(tmp_path / "x.npy")
