"""When a run has stood still for too long, and how that is told."""

from __future__ import annotations

import logging
import threading

import pytest

from flowload.errors import ClosedRun
from flowload.observe.stall import Dump, Held, Patience, StallWatch, log_stall
from flowload.observe.stats import RunStats

from .moments import moment, stage

CALL = Held(
    "unpack", 7, "/data/a.tar", "flowload-kernel-1", 31.5, ('  File "x.py", line 3, in f\n    wait()\n',)
)
DUMP = Dump((CALL,), ("batch: no input from unpack",))


def at(calls: int, *, finished: bool = False) -> RunStats:
    return moment(stage("unpack", calls=calls), finished=finished)


def test_a_stall_is_told_once_until_something_moves() -> None:
    patience = Patience(10.0)
    seen = [(0, 1), (5, 1), (10, 1), (11, 1), (30, 1), (31, 2), (40, 2), (41, 2), (60, 2)]
    told = [now for now, calls in seen if patience.is_over(at(calls), now)]
    assert told == [10, 41]


def test_a_run_that_is_over_does_not_stall() -> None:
    patience = Patience(1.0)
    assert not any(patience.is_over(at(1, finished=True), now) for now in range(100))


def test_a_dump_says_stage_block_source_and_stack() -> None:
    headline = "'unpack' is busy with block 7 of /data/a.tar for 31.5 s, in thread flowload-kernel-1"
    assert DUMP.lines() == [
        headline,
        "call in 'unpack', block 7 of /data/a.tar: 31.5 s in flowload-kernel-1",
        '      File "x.py", line 3, in f',
        "        wait()",
        "batch: no input from unpack",
    ]
    assert Dump((), ("nobody takes the batches of output 'out': 1 wait",)).headline.startswith("nobody takes")
    assert Dump((), ("a: no input from b",)).headline == "no call runs: all wait"


class Still:
    """A run that begins late, and then stands still."""

    def __init__(self) -> None:
        self.asked = 0

    def stats(self) -> RunStats:
        self.asked += 1
        if self.asked == 1:
            raise ClosedRun("this run has not begun")
        return at(3)

    def dump(self) -> Dump:
        return DUMP


def test_the_watch_tells_of_a_run_that_stands_still() -> None:
    told: list[Dump] = []
    heard = threading.Event()

    def tell(dump: Dump) -> None:
        told.append(dump)
        heard.set()

    with StallWatch(Still(), 0.02, tell) as watch:
        assert heard.wait(20)
    assert told == [DUMP]
    assert not watch._thread.is_alive()


def test_without_a_listener_it_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flowload"):
        log_stall(DUMP)
    assert [record.getMessage() for record in caplog.records] == [f"no progress: {DUMP.headline}"]
    with caplog.at_level(logging.INFO, "flowload"):
        log_stall(DUMP)
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert caplog.records[-1].getMessage() == "no progress: batch: no input from unpack"
