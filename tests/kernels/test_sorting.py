from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.sorting import sort_by_size
from tests.kernels import naive_order


@given(st.lists(st.integers(0, 30) | st.integers(0, 2000), max_size=200))
def test_rising_and_stable(sizes: list[int]) -> None:
    order = np.full(len(sizes), -1, np.int64)
    sort_by_size(order, np.array(sizes, np.int32), np.zeros(max(sizes, default=0) + 2, np.int64))
    assert order.tolist() == naive_order.by_size(sizes)
