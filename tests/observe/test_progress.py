"""How far a run is."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.observe.progress import progress
from flowload.observe.stats import RunStats

from .moments import moment, stage


def run(passes: float, whole: float, *, held: int = 0, **fields: Any) -> RunStats:
    """A source so far in its passes, and a pool of 100 that holds so many."""
    source = stage("discover", gauges={"passes_done": passes, "pass_done": whole})
    pool = stage("pool", in_=100, held=held)
    return moment(
        source, pool, **{"epochs": 1, "delivered": 10, "elapsed": 10.0, "finished": False, **fields}
    )


def test_half_of_the_data_in_half_of_the_time() -> None:
    assert progress(run(0, 0.5)) == (0.5, 10.0)


def test_passes_add_up() -> None:
    assert progress(run(1, 0.5, epochs=3)) == (0.5, 10.0)


def test_what_a_pool_holds_did_not_come_through() -> None:
    made = progress(run(0, 1.0, held=75))
    assert made == (0.25, 30.0)


def test_time_is_measured_from_the_first_batch() -> None:
    made = progress(run(0, 0.6, elapsed=12.0), run(0, 0.2, elapsed=10.0))
    assert made is not None
    assert made == pytest.approx((0.6, 2.0))


@pytest.mark.parametrize(
    "now",
    [
        run(0, 0.5, epochs=None),
        run(0, 0.5, delivered=0),
        run(0, 0.5, elapsed=0.0),
        moment(stage("source"), epochs=1, delivered=10, elapsed=1.0),
    ],
)
def test_where_the_end_is_unknown_nothing_is_said(now: RunStats) -> None:
    assert progress(now) is None


def test_the_end() -> None:
    assert progress(run(0, 1.0, finished=True)) == (1.0, 0.0)
