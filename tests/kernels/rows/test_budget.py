from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rows.budget import cut_by_budget
from tests.kernels.rows import naive_budget

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=60)


@given(ROWS, st.integers(9, 40), st.booleans())
def test_batches_are_those_of_the_twin(rows: list[tuple[int, int]], limit: int, padded: bool) -> None:
    costs = [cost + padded for cost, _ in rows]
    kinds = [kind for _, kind in rows]
    limit += padded
    owners, ended = np.full(len(rows), -1, np.int64), np.full(len(rows), -1, np.int64)
    scratch = np.full((3, 3), 99, np.int64)
    made = np.array(costs, np.int64), np.array(kinds, np.int64)
    count = cut_by_budget(*made, limit, padded, owners, scratch, ended)
    complete = [np.flatnonzero(owners == batch).tolist() for batch in ended[:count]]
    rest = [np.flatnonzero(owners == batch).tolist() for batch in sorted(set(owners) - set(ended[:count]))]
    assert (complete, rest) == naive_budget.cut(costs, kinds, limit, padded=padded)
    for batch in complete + rest:
        assert naive_budget.takes([costs[row] for row in batch], padded) <= limit
