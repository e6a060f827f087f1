from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels.rows import take as copying
from flowload.kernels.rows.take import native, scatter, stream_rows, take, take_at

WIDE = np.arange(9 * 4 * 6, dtype=np.float32).reshape(9, 4, 6)

ARRAYS: dict[str, NDArray[Any]] = {
    "contiguous": WIDE,
    "one number a row": np.arange(9),
    "columns of a wider array": WIDE[:, 1:3, ::2],
    "every other row": np.repeat(WIDE, 2, axis=0)[::2],
    "backwards": WIDE[::-1],
    "Fortran's order": np.asfortranarray(WIDE),
    "the other byte order": WIDE.astype(">f4"),
    "a field": np.zeros(9, [("a", "u1"), ("b", "<f8", (2,))])["b"],
    "at an odd place": np.frombuffer(bytes(1) + WIDE.tobytes(), "u1")[1:].view("f4").reshape(9, 4, 6),
    "no numbers": np.empty((9, 0), np.uint8),
    "bools": WIDE > 100,
    "wide rows": np.arange(9 * 200, dtype=np.int32).reshape(9, 200),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("rows", [[0], [8, 0, 3, 3], list(range(9)), []])
@pytest.mark.parametrize("large", [False, True])
def test_rows_are_numpys(kind: str, rows: list[int], large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "is_large", lambda nbytes: large)
    array = ARRAYS[kind]
    out = np.full((len(rows), *array.shape[1:]), 7, native(array.dtype))
    take(array, np.array(rows, np.int64), out)
    np.testing.assert_array_equal(out, array[np.array(rows, np.int64)])
    assert out.dtype.isnative


@given(st.lists(st.integers(0, 8), max_size=12), st.integers(1, 700))
def test_streamed_rows_are_numpys(rows: list[int], width: int) -> None:
    array = np.random.default_rng(width).integers(0, 256, (9, width), dtype=np.uint8)
    out = np.full((len(rows) + 1, width), 7, np.uint8)
    stream_rows(out[:-1], array, np.array(rows, np.int64))
    np.testing.assert_array_equal(out[:-1], array[np.array(rows, np.int64)])
    assert (out[-1] == 7).all()


def test_numbers_are_those_of_the_other_byte_order() -> None:
    assert native(np.dtype(">i4")) == np.dtype("i4")
    assert native(np.dtype("u1")) == np.dtype("u1")


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=12), st.integers(1, 40))
def test_scatter_is_numpys_assignment(pairs: list[tuple[int, int]], width: int) -> None:
    rows = np.random.default_rng(width).integers(0, 256, (9, width), dtype=np.uint8)
    places, which = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    out, wanted = (np.full((7, width), 7, np.uint8) for _ in range(2))
    scatter(out, places, rows, which)
    for place, row in pairs:
        wanted[place] = rows[row]
    np.testing.assert_array_equal(out, wanted)


@given(st.lists(st.integers(-3, 60), max_size=12), st.integers(1, 40))
def test_bytes_from_anywhere(offsets: list[int], width: int) -> None:
    memory = np.random.default_rng(width).integers(0, 256, 100, dtype=np.uint8)
    out = np.full((len(offsets), width), 7, np.uint8)
    take_at(out, memory, np.array(offsets, np.int64))
    for row, begin in zip(out, offsets, strict=True):
        wanted = np.full(width, 7) if begin < 0 else memory[begin : begin + width]
        np.testing.assert_array_equal(row, wanted)
