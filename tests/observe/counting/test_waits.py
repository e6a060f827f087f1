from __future__ import annotations

import pytest

from flowload.observe.counting.waits import MOST, Waits
from flowload.observe.stats import WaitStats


def test_the_first_wait_stands_apart() -> None:
    waits = Waits()
    assert waits.stats() == WaitStats()
    waits.note(3.0)
    assert waits.stats() == WaitStats(first=3.0)
    for seconds in [0.01] * 18 + [0.2, 0.5]:
        waits.note(seconds)
    found = waits.stats()
    assert (found.waits, found.first, found.longest) == (20, 3.0, 0.5)
    assert found.mean == pytest.approx(0.88 / 20)
    assert found.p50 == pytest.approx(0.01, rel=1 / 16)
    assert found.p95 == pytest.approx(0.2, rel=1 / 16)


def test_waits_of_each_epoch_are_told_apart() -> None:
    waits = Waits()
    for epoch in range(3):
        for seconds in (0.5, 0.1 * (epoch + 1)):
            waits.note(seconds, epoch)
    found = waits.by_epoch()
    assert [(epoch, each.waits, each.first) for epoch, each in found.items()] == [
        (0, 1, 0),
        (1, 2, 0),
        (2, 2, 0),
    ]
    assert found[0].longest == pytest.approx(0.1)
    assert found[2].mean == pytest.approx(0.4)
    for epoch in range(3, 200):
        waits.note(0.1, epoch)
    assert list(waits.by_epoch()) == list(range(200 - MOST, 200))
