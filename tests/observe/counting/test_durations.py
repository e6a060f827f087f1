"""Quantiles against those of the sorted values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.observe.counting.durations import Durations


def noted(values: list[float]) -> Durations:
    made = Durations()
    for value in values:
        made.note(value)
    return made


def test_nothing_took_no_time() -> None:
    assert noted([]).quantile(0.5) == 0.0


@given(st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_quantiles_are_right_within_a_sixteenth(values: list[float], share: float) -> None:
    ranked = sorted(values)
    wanted = ranked[max(0, -int(-share * len(ranked) // 1) - 1)]
    made = noted(values)
    assert made.quantile(share) == pytest.approx(wanted, rel=1 / 16)
    assert made.quantile(share) <= made.most == max(values)
    assert made.count == len(values)
    assert made.total == pytest.approx(sum(values))


def test_what_is_beyond_the_scale_is_counted_at_its_ends() -> None:
    made = noted([0.0, 1e-12, 1e9])
    assert made.quantile(0.5) < 1e-6
    assert made.quantile(1.0) > 2**18
    assert made.most == 1e9
