from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from flowload.errors import DataError
from flowload.files.npy_header import LONGEST, read_npy_header


def saved(array: np.ndarray[Any, Any], version: tuple[int, int] | None = None) -> io.BytesIO:
    file = io.BytesIO()
    npy.write_array(file, array, version)
    file.seek(0)
    return file


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.ones((2, 3), ">i2")),
        np.zeros(0, bool),
        np.array(3, np.uint64),
        np.zeros(2, [("a", "<f4"), ("b", [("c", ">u2", (3,))])]),
    ],
)
def test_it_is_what_numpy_reads(array: np.ndarray[Any, Any], version: tuple[int, int]) -> None:
    file = saved(array, version)
    dtype, shape, columns = read_npy_header(file, "a.npy")
    assert (dtype, shape) == (array.dtype, array.shape)
    assert columns == (array.ndim > 1 and not array.flags.c_contiguous)
    assert file.read() == array.tobytes("A")


@pytest.mark.parametrize(
    "name", ["\u0394E", "\u00e9\u00fc", "\U0001f600", "a'b\u0394\"", "\\u0394", "\n\u0394"]
)
def test_names_of_fields_in_any_script(name: str) -> None:
    array = np.zeros(2, [(name, "<f4"), ("y", "<f4")])
    version = (3, 0) if name.strip("\n\\u0394") or "\u0394" in name else None
    with_numpy = saved(array, version)
    assert read_npy_header(with_numpy, "a.npy")[0].names == (name, "y")


def test_names_in_latin1_stay_what_they_are() -> None:
    array = np.zeros(2, [("\u00e9", "<f4")])
    assert read_npy_header(saved(array, (1, 0)), "a.npy")[0].names == ("\u00e9",)


class Greedy(io.BytesIO):
    """Tells how much is asked for at once."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked = max(self.asked, size if size is not None and size >= 0 else 1 << 62)
        return super().read(size)


@pytest.mark.parametrize("version", [b"\2\0", b"\3\0"])
def test_a_length_that_cannot_be_is_not_asked_for(version: bytes) -> None:
    file = Greedy(npy.MAGIC_PREFIX + version + (1 << 31).to_bytes(4, "little") + b" " * 99)
    with pytest.raises(
        DataError, match=r"a.npy: bad .npy header; found a length of 2,147,483,648; wanted at most"
    ):
        read_npy_header(file, "a.npy")
    assert file.asked <= LONGEST


def test_a_fault_of_the_interpreter_s_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Pythons fail where two threads evaluate a text at once."""
    real, calls = npy.read_array_header_2_0, []

    def now_and_then(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) < 4:
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=83)")
        return real(*args, **options)

    monkeypatch.setattr(npy, "read_array_header_2_0", now_and_then)
    assert read_npy_header(saved(np.zeros((2, 3))), "a.npy")[1] == (2, 3)
    monkeypatch.setattr(npy, "read_array_header_2_0", lambda *_, **__: now_and_then_never())
    with pytest.raises(DataError, match=r"a.npy: bad .npy header; found always"):
        read_npy_header(saved(np.zeros((2, 3))), "a.npy")


def now_and_then_never() -> None:
    raise SystemError("always")
