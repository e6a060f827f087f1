"""How near a run is to what its stations allow, worked out by hand."""

from __future__ import annotations

import pytest

from flowload.observe.nearness import LEAST, MOST, NEARLY, Nearness
from flowload.observe.stations import Kind, Station


def stations(*bounds: float, kind: Kind = "stage") -> list[Station]:
    return [Station(kind, f"s{k}", 1, {f"s{k}": 1 / bound}) for k, bound in enumerate(bounds)]


def test_a_run_at_its_least_bound_goes_to_the_next() -> None:
    near = Nearness(stations(10, 30), 10)
    assert near.power > MOST / 2
    assert near.rate(stations(20, 30)) == pytest.approx(20)
    assert near.rate(stations(60, 30)) == pytest.approx(30)


def test_a_little_less_than_the_bound_is_as_good_as_it() -> None:
    near = Nearness(stations(10, 30), NEARLY * 10)
    assert near.power > 20
    assert near.rate(stations(20, 30)) == pytest.approx(NEARLY * 20)


def test_bounds_that_are_alike_are_not_reached() -> None:
    # (1/10)**2 + (1/20)**2 = (1/rate)**2
    rate = (0.01 + 0.0025) ** -0.5
    near = Nearness(stations(10, 20), NEARLY * rate)
    assert near.power == pytest.approx(2)
    assert near.rate(stations(20, 20)) == pytest.approx(NEARLY * (2 * 0.0025) ** -0.5)


def test_less_than_one_after_the_other_is_scaled() -> None:
    near = Nearness(stations(10, 10), 2.0)
    assert near.power == pytest.approx(LEAST)
    assert near.rate(stations(10, 10)) == pytest.approx(2.0)
    assert near.rate(stations(20, 20)) == pytest.approx(4.0)


def test_the_cpus_are_counted_once() -> None:
    several = [*stations(10, 12, kind="cpu"), *stations(40)]
    one = [*stations(10, kind="cpu"), *stations(40)]
    assert Nearness(several, 9).power == Nearness(one, 9).power


def test_a_lone_station() -> None:
    near = Nearness(stations(10), 5)
    assert near.rate(stations(10)) == pytest.approx(5)
    assert near.rate(stations(20)) == pytest.approx(10)
