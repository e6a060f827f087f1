"""Counters and rates, with a clock that the test holds."""

from __future__ import annotations

import pytest

from flowload.observe.counting import metrics
from flowload.observe.counting.metrics import Meter, Rate


class Clock:
    """Stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    held = Clock()
    monkeypatch.setattr(metrics, "perf_counter", held)
    return held


def test_nothing_has_no_rate(clock: Clock) -> None:
    rate = Rate()
    assert rate.recent(0) == rate.overall(0) == 0


def test_a_steady_stream_has_one_rate(clock: Clock) -> None:
    rate = Rate()
    for total in range(0, 5000, 10):
        rate.note(total)
        clock.now += 0.01
    assert rate.recent(5000) == pytest.approx(1000)
    assert rate.overall(5000) == pytest.approx(1000)


def test_the_recent_rate_forgets(clock: Clock) -> None:
    rate = Rate(window=1.0)
    for total in range(0, 500, 1):
        rate.note(total)
        clock.now += 0.01
    for total in range(500, 20_500, 100):
        rate.note(total)
        clock.now += 0.01
    assert rate.recent(20_500) == pytest.approx(10_000, rel=0.02)
    assert rate.overall(20_500) == pytest.approx(20_500 / 7)


def test_the_recent_rate_falls_when_nothing_comes(clock: Clock) -> None:
    rate = Rate(window=1.0)
    for total in range(0, 1000, 10):
        rate.note(total)
        clock.now += 0.01
    clock.now += 99
    assert rate.recent(1000) < 11


def test_marks_are_few(clock: Clock) -> None:
    rate = Rate(window=1.0)
    for total in range(100_000):
        rate.note(total)
        clock.now += 0.001
    assert len(rate._marks) <= 10


def test_a_meter_counts_what_goes_out(clock: Clock) -> None:
    meter = Meter()
    meter.gave(3, 24)
    clock.now += 2.0
    meter.gave(5, 40)
    assert (meter.out, meter.blocks_out, meter.bytes_out) == (8, 2, 64)
    assert meter.rate.overall(meter.out) == pytest.approx(4.0)


def test_what_is_missing() -> None:
    meter = Meter(in_=10, out=5, held=2)
    meter.dropped["short"] = 1
    meter.dropped["bad"] = 1
    assert meter.under_way == 1
    meter.held = 3
    assert meter.under_way == 0
    meter.out = 7
    assert meter.under_way == -2
