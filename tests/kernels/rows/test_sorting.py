from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rows.sorting import sort_buckets, sort_by_size
from tests.kernels.rows import naive_order
from tests.kernels.rows.naive_order import by_size


@given(st.lists(st.integers(0, 30) | st.integers(0, 2000), max_size=200))
def test_rising_and_stable(sizes: list[int]) -> None:
    order = np.full(len(sizes), -1, np.int64)
    sort_by_size(order, np.array(sizes, np.int32), np.zeros(max(sizes, default=0) + 2, np.int64))
    assert order.tolist() == naive_order.by_size(sizes)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20))
def test_buckets_are_sorted_each_by_itself(sizes: list[int], bucket: int) -> None:
    order = np.empty(len(sizes), np.int64)
    sort_buckets(order, np.array(sizes, np.int32), bucket, np.empty(11, np.int64))
    firsts = range(0, len(sizes), bucket)
    assert order.tolist() == [first + k for first in firsts for k in by_size(sizes[first : first + bucket])]
