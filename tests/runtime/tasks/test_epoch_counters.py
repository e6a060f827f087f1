from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

import flowload as fl
from flowload.abc.operators import Mark
from flowload.runtime.channel import NumberedBlock
from flowload.runtime.tasks.epochs import EpochBoundaries, Epochs
from tests.runtime.stages import (
    ints,
)


def test_epochs_count_where_passes_are_kept_apart() -> None:
    for align, wanted in ((False, [5, 5]), (True, [6, 7])):
        epochs = Epochs(5, align=align)
        seen = []
        for _ in range(2):
            assert not epochs.passed(NumberedBlock(0, None))
            assert not epochs.passed(Mark.CAUGHT_UP)
            assert epochs.passed(Mark.EPOCH) is align
            seen.append(epochs.number)
        assert seen == wanted


def test_borders_are_crossed_by_the_part_behind_them() -> None:
    boundaries = EpochBoundaries(2, 3)
    words: list[Any] = [
        NumberedBlock(0, ints([1])),
        Mark.EPOCH,
        Mark.EPOCH,
        NumberedBlock(1, None),
        NumberedBlock(2, ints([1])),
        Mark.EPOCH,
    ]
    for word in [*words, NumberedBlock(3, ints([1]))]:
        boundaries.note(word)
    assert len(boundaries.ends) == 2
    seen = []
    for part in (1, 2, 3):
        boundaries.reached(part)
        seen.append(boundaries.epoch)
    assert seen == [2, 4, 4]  # behind the last pass there is none


def test_a_run_without_end_that_gives_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def in_vain(*held: int) -> int:
        """How often that was told, over passes that give nothing, each with so many samples held back."""
        caplog.clear()
        waiting = iter(held)
        boundaries = EpochBoundaries(0, None, lambda: next(waiting))
        for _ in held:
            boundaries.note(Mark.EPOCH)
        return caplog.text.count("whole passes give nothing")

    assert in_vain(0, 0) == 1
    assert in_vain(0, 0, 0, 0) == 1  # once
    assert in_vain(3, 6, 9, 12) == 0  # something is being filled
    assert in_vain(3, 3) == 0
    assert in_vain(3, 3, 3) == 1
    finite = EpochBoundaries(0, 9, lambda: 1 // 0)
    finite.note(Mark.EPOCH)  # which tells at its end


def test_a_stream_without_end_of_which_all_is_dropped_is_told() -> None:
    told = threading.Event()

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "whole passes give nothing" in record.getMessage():
                told.set()

    log, heard = logging.getLogger("flowload"), Hears()
    log.addHandler(heard)
    try:
        graph = fl.rows(10) >> fl.filter(lambda rows: False) >> fl.batch(2)
        with graph.iterate(epochs=None):
            assert told.wait(60)
    finally:
        log.removeHandler(heard)
