from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from flowload.errors import DataError, GraphError
from flowload.stages.rows.indices import check_range, numbered, read_numbers


def test_what_is_taken_for_row_numbers(tmp_path: Path) -> None:
    array = np.array([3, 1])
    assert numbered(array, "x") is array
    assert numbered(tmp_path / "a.npy", "x") == str(tmp_path / "a.npy")
    for given in ([3, 1], (3, 1), range(3, 0, -2)):
        found = numbered(given, "x")
        assert isinstance(found, np.ndarray)
        assert found.tolist() == [3, 1]
        assert found.dtype == np.int64
    assert numbered([], "x").dtype == np.int64  # type: ignore[union-attr]


@pytest.mark.parametrize("given", [3, None, {1}, ["1"], [1.0], object])
def test_what_is_not(given: object) -> None:
    with pytest.raises(GraphError, match=r"part 'a' is .*; wanted an array of row numbers, or a \.npy file"):
        numbered(given, "part 'a' is")


def test_a_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([3, 1], ">u2"))
    found = read_numbers(str(tmp_path / "rows.npy"), "x")
    assert found.dtype == np.int64
    assert found.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.npy", b"1\n2\n", r"no \.npy file"),
        ("empty.npy", b"", r"no \.npy file"),
        ("pickle.npy", np.array([{}]), "array of another kind"),
        ("floats.npy", np.zeros(3), r"not row numbers; found float64\[3\]; wanted one axis of whole numbers"),
        ("bools.npy", np.zeros(3, bool), r"not row numbers; found bool\[3\]"),
    ],
)
def test_files_that_hold_none(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"{name}: {message}"):
        read_numbers(str(path), str(path))


def test_the_range() -> None:
    check_range(np.array([], np.int64), 0, "x")
    check_range(np.array([0, 4]), 5, "x")
    for bad in (-1, 5):
        with pytest.raises(DataError, match=f"x: no such row; found row {bad} at place 1; wanted 0 to 4"):
            check_range(np.array([0, bad, -9]), 5, "x")


def test_a_pipe_is_not_waited_for_and_a_large_claim_not_believed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DataError, match="not a file; found a pipe"):
        read_numbers(str(tmp_path / "pipe.npy"), "x")
    with (tmp_path / "large.npy").open("wb") as file:
        header = {"descr": "<i8", "fortran_order": False, "shape": (2**61,)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DataError, match=f"wrong file size; found 128 bytes; wanted {2**64 + 128} bytes"):
        read_numbers(str(tmp_path / "large.npy"), "x")
