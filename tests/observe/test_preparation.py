from __future__ import annotations

import io
import logging

import pytest

from flowload.observe.preparation import LOGGER, Preparation, level_of


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(caplog: pytest.LogCaptureFixture) -> Clock:
    caplog.set_level(logging.INFO, LOGGER)
    return Clock()


def test_a_long_one_tells_now_and_then(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    packing = Preparation("games: packing", "positions", clock)
    for second in range(11):
        packing.reached(1000 * second, 10_000)
        clock.now += 1
    assert caplog.messages == [
        "games: packing: 2,000 of 10,000 positions (20 %), 8 s left",
        "games: packing: 4,000 of 10,000 positions (40 %), 6 s left",
        "games: packing: 6,000 of 10,000 positions (60 %), 4 s left",
        "games: packing: 8,000 of 10,000 positions (80 %), 2 s left",
        "games: packing: 10,000 of 10,000 positions (100 %)",
    ]


def test_a_short_one_tells_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    packing = Preparation("games: packing", "positions", clock)
    for done in range(4):
        packing.reached(done, 3)
        clock.now += 0.1
    assert caplog.messages == []


def test_what_told_once_tells_its_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    packing = Preparation("games: packing", "positions", clock)
    clock.now += 2.5
    packing.reached(1, 2)
    clock.now += 0.5
    packing.reached(2, 2)
    assert len(caplog.messages) == 2
    assert caplog.messages[-1].endswith("2 of 2 positions (100 %)")


def test_what_was_done_before_is_no_measure_of_speed(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    packing = Preparation("games: packing", "positions", clock)
    packing.reached(9000, 10_000)
    clock.now += 5
    packing.reached(9500, 10_000)
    assert caplog.messages[0].endswith("(95 %), 5 s left")


@pytest.mark.parametrize("set_up", [True, False])
def test_a_script_that_has_set_up_no_logging_is_told_too(
    *, set_up: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger(LOGGER)
    monkeypatch.setattr(logger, "propagate", False)  # away from pytest's handlers
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(io.StringIO())] if set_up else [])
    times = iter([0.0, 1.0, 9.0])
    work = Preparation("games: packing", "positions", lambda: next(times))
    work.reached(0, 100)
    work.reached(50, 100)
    told = "games: packing: 50 of 100 positions" in capsys.readouterr().err
    assert told is not set_up
    assert level_of(logger) == (logging.INFO if set_up else logging.WARNING)
