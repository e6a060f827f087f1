from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rising import first_fall


@given(st.lists(st.integers(0, 5), max_size=8))
def test_the_first_number_that_does_not_rise(numbers: list[int]) -> None:
    falls = [i for i in range(1, len(numbers)) if numbers[i] <= numbers[i - 1]]
    assert first_fall(np.array(numbers, np.uint64)) == (falls[0] if falls else -1)


def test_a_column_of_a_table() -> None:
    table = np.array([[1, 9], [2, 5], [2, 7]], np.uint64)
    table.flags.writeable = False
    assert first_fall(table[:, 0]) == 2
