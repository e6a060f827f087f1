"""What is read past a library is compared with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.formats.compared import CHUNKS, ENOUGH, difference, sample_rows, unlike


class Reads:
    """A column whose rows are those of an array, but for some that cannot be read."""

    where = "a.bin: x"

    def __init__(self, array: NDArray[Any], broken: dict[int, str] | None = None) -> None:
        self.array, self.broken = array, broken or {}
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        for row in rows.tolist():
            if row in self.broken:
                raise DataError(self.broken[row], where=self.where, found="nonsense")
        call.lease(8)  # what a column may ask for
        out[:] = self.array[rows]


ARRAY = np.arange(60).reshape(20, 3)


def library(begin: int, end: int) -> Any:
    return ARRAY[begin:end].astype(">i8")


def test_the_same_numbers_in_another_byte_order_are_no_difference() -> None:
    assert difference(Reads(ARRAY), library, chunk=4, also=[(3, 9)]) is None


@pytest.mark.parametrize("row", [0, 3, 16, 19])  # the ends of the first and the last chunk
def test_a_row_that_differs_in_one_number(row: int) -> None:
    other = ARRAY.copy()
    other[row, 2] += 1
    assert difference(Reads(other), library, chunk=4) == f"row {row}: other numbers"


def test_further_rows_are_compared_where_they_are_named() -> None:
    other = ARRAY.copy()
    other[18] += 1
    assert difference(Reads(other), library, chunk=4) is None
    assert difference(Reads(other), library, chunk=4, also=[(16, 20)]) == "rows 16 to 20: other numbers"


def test_rows_that_one_of_them_cannot_read() -> None:
    def fails(begin: int, end: int) -> Any:
        raise RuntimeError("no such filter")

    assert difference(Reads(ARRAY, {0: "unreadable"}), library, chunk=4) == "row 0: unreadable, nonsense"
    assert difference(Reads(ARRAY), fails, chunk=4) == "row 0: no such filter"
    both = Reads(ARRAY, dict.fromkeys(range(20), "unreadable"))
    assert difference(both, fails, chunk=4) is None  # an error when somebody wants them
    short = Reads(ARRAY, dict.fromkeys(range(20), "wrong size"))
    assert difference(short, library, chunk=4) is None  # which HDF5 does not look at


def test_another_shape_is_a_difference() -> None:
    assert difference(Reads(ARRAY[:, :2]), library, chunk=4) == "row 0: other numbers"


@pytest.mark.parametrize(("rows", "chunk"), [(1, 1), (1, 9), (2, 1), (1000, 7), (10**9, 1000)])
def test_rows_that_are_compared(rows: int, chunk: int) -> None:
    drawn = sample_rows(rows, chunk, 8)
    assert drawn == sample_rows(rows, chunk, 8)
    assert {0, rows - 1} <= set(drawn) <= set(range(rows)) if rows < 10**6 else {0, rows - 1} <= set(drawn)
    assert len(drawn) == len(set(drawn)) <= 2 * (CHUNKS + 2)
    if rows > 999:
        assert len(drawn) > CHUNKS + 2
    assert sample_rows(rows, chunk, ENOUGH) == drawn[:2]


def test_bits_are_compared_not_numbers() -> None:
    one, other = np.array([0.0, np.nan, 1.0]), np.array([-0.0, np.nan, 1.0])
    assert unlike(one, other).tolist() == [True, False, False]


def test_what_lies_between_fields_does_not_count() -> None:
    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "<i4"], "offsets": [0, 4], "itemsize": 8})
    one, other = (np.full(24, byte, np.uint8).view(kind) for byte in (0, 0xFF))
    for each in (one, other):
        each["a"], each["b"] = 1, [1, 2, 3]
    assert not unlike(one, other).any()
    other["b"][1] = 7
    assert unlike(one, other).tolist() == [False, True, False]
    assert unlike(one, one.astype([("a", "u1"), ("c", "<i4")])).all()
    assert not unlike(np.zeros((3, 0)), np.zeros((3, 0))).any()
