from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.chunks.deal import deal


@given(weights=st.lists(st.integers(0, 50), max_size=40), world=st.integers(1, 6), cut=st.integers(0, 40))
def test_each_item_goes_to_the_hand_that_has_least(weights: list[int], world: int, cut: int) -> None:
    totals = np.zeros(world, np.int64)
    hands = np.empty(len(weights), np.int64)
    for part in (slice(0, cut), slice(cut, None)):
        deal(hands[part], np.array(weights, np.int64)[part], totals)
    model = [0] * world
    for weight, hand in zip(weights, hands.tolist(), strict=True):
        assert hand == model.index(min(model))
        model[hand] += weight
    assert totals.tolist() == model
    assert max(model) - min(model) <= max(weights, default=0)
