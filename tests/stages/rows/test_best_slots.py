from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import GraphError
from tests.kernels.rows.naive_slots import best_cost, cost_of


@given(st.lists(st.integers(1, 25), min_size=1, max_size=40), st.integers(1, 4))
def test_no_other_slots_pad_less(sizes: list[int], k: int) -> None:
    slots = fl.best_slots(sizes, k)
    assert list(slots) == sorted(set(slots))
    assert len(slots) == min(k, len(set(sizes)))
    assert slots[-1] == max(sizes)
    assert cost_of(sizes, slots) == best_cost(sizes, k)


def test_many_different_sizes_are_no_trouble() -> None:
    sizes = np.arange(1, 20_001)
    slots = fl.best_slots(sizes, 4)
    even = (5_000, 10_000, 15_000, 20_000)
    places = [int(np.array(each)[np.searchsorted(each, sizes)].sum()) for each in (slots, even)]
    assert places[0] == places[1]  # of equal counts, equal steps are best


@pytest.mark.parametrize(
    ("sizes", "k", "message"),
    [
        ([1, 2], 0, "k is 0; wanted a number from 1"),
        ([1, 2], True, "k is True"),
        ([], 2, "sizes are float64, none; wanted whole numbers from 1"),
        ([0, 2], 2, "sizes are int64, 0 to 2"),
        ([1.5], 2, "sizes are float64, 1.5 to 1.5"),
        ([1 << 31], 2, "2147483648"),
    ],
)
def test_what_cannot_be(sizes: Any, k: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        fl.best_slots(sizes, k)
