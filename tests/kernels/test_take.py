from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.kernels.take import native, take

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
    "no numbers": np.empty((9, 0), np.uint8),
    "bools": WIDE > 100,
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("rows", [[0], [8, 0, 3, 3], list(range(9)), []])
def test_rows_are_numpys(kind: str, rows: list[int]) -> None:
    array = ARRAYS[kind]
    out = np.full((len(rows), *array.shape[1:]), 7, native(array.dtype))
    take(array, np.array(rows, np.int64), out)
    np.testing.assert_array_equal(out, array[np.array(rows, np.int64)])
    assert out.dtype.isnative


def test_numbers_are_those_of_the_other_byte_order() -> None:
    assert native(np.dtype(">i4")) == np.dtype("i4")
    assert native(np.dtype("u1")) == np.dtype("u1")
