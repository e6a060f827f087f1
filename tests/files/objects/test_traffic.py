"""Requests as they are counted."""

from __future__ import annotations

import pytest

from flowload.files.objects import traffic
from flowload.files.objects.traffic import Taken, Traffic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(traffic, "perf_counter", lambda: now[0])
    return now


def test_requests_beside_each_other_are_busy_once_and_wait_each(clock: list[float]) -> None:
    counts = Traffic()
    with counts.request():
        clock[0] = 101.0
        with counts.request():
            counts.came(5)
            clock[0] = 103.0
            assert counts.taken() == Taken(2, 0, 5, seconds=3.0 + 2.0, busy=3.0)
    clock[0] = 200.0
    assert counts.taken() == Taken(2, 0, 5, seconds=5.0, busy=3.0)
    with counts.request():
        clock[0] = 201.0
    assert counts.taken() == Taken(3, 0, 5, seconds=6.0, busy=4.0)


def test_a_request_that_fails_is_one(clock: list[float]) -> None:
    counts = Traffic()
    before = counts.taken()

    def reset() -> None:
        with counts.request():
            clock[0] = 102.0
            raise ConnectionError

    with pytest.raises(ConnectionError):
        reset()
    assert counts.taken().since(before) == Taken(1, 1, 0, seconds=2.0, busy=2.0)


def test_who_waits_for_the_same_time_waits_once(clock: list[float]) -> None:
    counts = Traffic()
    with counts.awaited():
        clock[0] = 101.0
        with counts.awaited():
            clock[0] = 104.0
            assert counts.taken().waiting == 4.0
    clock[0] = 200.0
    assert counts.taken() == Taken(waiting=4.0)
