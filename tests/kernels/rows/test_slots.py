from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rows.slots import best_cuts
from tests.kernels.rows.naive_slots import best_cost


@pytest.mark.slow
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 5))
def test_the_cost_is_the_least(sizes: list[int], k: int) -> None:
    values, counts = np.unique(np.array(sizes, np.int64), return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    costs = np.full((2, len(values) + 1), -1, np.int64)
    best_cuts(values, below, costs, np.empty((k, len(values) + 1), np.int32))
    assert costs[(k - 1) % 2, -1] == best_cost(sizes, k)
