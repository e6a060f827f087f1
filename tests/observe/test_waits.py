from __future__ import annotations

import pytest

from flowload.observe.stats import WaitStats
from flowload.observe.waits import Waits


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
