"""The times of jobs, with clocks that the test holds."""

from __future__ import annotations

import pytest

from flowload.observe.counting.metrics import EVERY
from flowload.runtime.threads import timing as shifts
from flowload.runtime.threads.timing import JobTiming, TimingTotals


class Clocks:
    """A wall clock and one of the CPU."""

    def __init__(self) -> None:
        self.wall = 10.0
        self.cpu = 1.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    held = Clocks()
    monkeypatch.setattr(shifts, "perf_counter", lambda: held.wall)
    monkeypatch.setattr(shifts, "thread_time", lambda: held.cpu)
    return held


def do(totals: TimingTotals, clocks: Clocks, *, wait: float, wall: float, cpu: float) -> JobTiming:
    timing = JobTiming()
    totals.queue(timing)
    clocks.wall += wait
    timing.begin()
    clocks.wall += wall
    clocks.cpu += cpu
    timing.end()
    totals.enter(timing)
    return timing


def test_waiting_work_and_cpu_are_told_apart(clocks: Clocks) -> None:
    totals = TimingTotals()
    for _ in range(8):
        do(totals, clocks, wait=0.5, wall=2.0, cpu=0.5)
    assert (totals.done, totals.waited, totals.work) == (8, 4.0, 16.0)
    assert totals.cpu_share == pytest.approx(0.25)


def test_of_short_jobs_one_in_four_is_asked_for_its_cpu_time_of_long_ones_each(clocks: Clocks) -> None:
    totals = TimingTotals()
    asked = [do(totals, clocks, wait=0, wall=1e-5, cpu=1e-5).asks for _ in range(3 * EVERY)]
    assert asked == [True, *[False] * (EVERY - 1)] * 3
    do(totals, clocks, wait=0, wall=1.0, cpu=1.0)
    assert do(totals, clocks, wait=0, wall=1.0, cpu=1.0).asks


def test_without_an_answer_work_counts_as_cpu_time_and_never_as_more(clocks: Clocks) -> None:
    totals = TimingTotals()
    assert totals.cpu_share == 1.0
    do(totals, clocks, wait=0, wall=1.0, cpu=1.1)  # the clocks are not one
    assert totals.cpu_share == 1.0
