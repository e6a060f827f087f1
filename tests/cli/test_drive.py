from __future__ import annotations

import logging
import os
import signal
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

import anyio
import pytest

import flowload as fl
from flowload.cli.bell import Bell
from flowload.cli.drive import Bounds, Count, Drive
from flowload.errors import DataError
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.observe.stall import Dump
from flowload.observe.stats import RunStats
from tests.threads import give_way, none_left


class Quiet:
    """A screen that keeps what it is shown."""

    def __init__(self, tick: float = 60.0) -> None:
        self.tick = tick
        self.painted: list[RunStats] = []
        self.seen = threading.Event()

    def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
        self.painted.append(now)
        self.seen.set()

    def close(self, last: RunStats | None, outputs: Mapping[str, int]) -> None: ...

    def say(self, lines: Any) -> None: ...


def numbers(how_many: int) -> Graph:
    return fl.source(lambda: iter(range(how_many)))


def drive(graph: Graph, screen: Quiet | None = None, epochs: int | None = 1, **bounds: Any) -> Drive:
    made = Drive(graph, RunOrder(epochs=epochs), screen or Quiet(), Bounds(**bounds))
    made.run()
    return made


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


async def silent() -> AsyncIterator[int]:
    await anyio.sleep_forever()
    yield 0


def test_a_stream_that_ends_is_finished() -> None:
    run = drive(numbers(7))
    assert (run.ended, run.error, run.batches) == ("finished", None, {"out": 7})
    assert run.stats is not None
    assert run.stats.finished
    assert run.stats.blocks_delivered == 7


def test_every_epoch_is_run() -> None:
    assert drive(numbers(7), epochs=3).batches == {"out": 21}


def test_enough_batches_stop_an_endless_stream() -> None:
    run = drive(fl.source(endless), batches=5, epochs=None)
    assert (run.ended, run.batches) == ("batches", {"out": 5})
    assert run.stats is not None
    assert run.stats.blocks_delivered == 5


def test_more_batches_than_there_are_is_no_failure() -> None:
    assert drive(numbers(3), batches=5).ended == "finished"


def test_the_time_is_up_even_where_nothing_comes() -> None:
    run = drive(fl.source(silent), seconds=0.05)
    assert (run.ended, run.batches) == ("seconds", {"out": 0})


def test_the_screen_is_painted_while_nothing_comes() -> None:
    class Enough(Quiet):
        def paint(self, now: RunStats, outputs: Mapping[str, int]) -> None:
            super().paint(now, outputs)
            if len(self.painted) == 3:
                run.bell.ring("interrupted")

    screen = Enough(tick=0.01)
    run = Drive(fl.source(silent), RunOrder(), screen, Bounds(seconds=60))
    assert run.run() == "interrupted"
    assert [now.blocks_delivered for now in screen.painted] == [0, 0, 0]


def test_a_failure_is_kept() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise DataError("bad", where="x")
        return number

    run = drive(numbers(7) >> fl.map(fail, workers=1))
    assert run.ended == "failed"
    assert isinstance(run.error, DataError)
    assert "map" in "".join(run.error.__notes__)
    assert run.stats is not None
    assert not run.stats.finished


def test_outputs_are_all_read_and_counted_apart() -> None:
    both = numbers(5) >> fl.tee("train", "valid")
    run = drive(both)
    assert (run.ended, run.batches) == ("finished", {"train": 5, "valid": 5})


def test_enough_batches_are_those_of_all_outputs() -> None:
    run = drive(fl.source(endless) >> fl.tee("train", "valid"), batches=5, epochs=None)
    assert run.ended == "batches"
    assert sum(run.batches.values()) == 5


@pytest.mark.parametrize(
    ("number", "ended"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_stops_the_run(number: signal.Signals, ended: str) -> None:
    main = threading.main_thread().ident
    assert main is not None
    before = signal.getsignal(number)

    async def wait() -> AsyncIterator[int]:
        yield 1
        signal.pthread_kill(main, number)
        await anyio.sleep_forever()

    run = drive(fl.source(wait))
    assert (run.ended, run.error) == (ended, None)
    assert signal.getsignal(number) is before


def test_no_thread_is_left() -> None:
    with none_left():
        drive(fl.source(endless), batches=2, epochs=None)
        drive(fl.source(silent), seconds=0.01)


def test_a_batch_beyond_the_last_is_not_counted() -> None:
    bell = Bell()
    came: list[int] = []
    count = Count({"a": 0, "b": 0}, 2, bell, lambda: came.append(1))
    assert [count.one("a"), count.one("b"), count.one("a")] == [True, False, False]
    assert count.batches == {"a": 1, "b": 1}
    assert [bell.wait(0), bell.wait(0)] == ["batches", None]


def test_a_stall_is_reported_with_the_stage_and_the_stack() -> None:
    free, told = threading.Event(), SimpleQueue[Dump]()

    def report(dump: Dump) -> None:
        told.put(dump)
        free.set()

    def stuck(value: int) -> int:
        assert free.wait(60)
        return value

    made = Drive(numbers(3) >> fl.map(stuck, workers=1), RunOrder(), Quiet(), stall=0.02, report=report)
    assert made.run() == "finished"
    dump = told.get(timeout=20)
    assert "'map' is busy with block 0" in dump.headline
    assert any("in stuck" in line for line in dump.lines())


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_signal_asks_who_does_what() -> None:
    told = SimpleQueue[Dump]()
    answered = threading.Event()

    def report(dump: Dump) -> None:
        told.put(dump)
        answered.set()

    def asks(value: int) -> int:
        for _ in range(10_000):  # the first may come before the run knows itself
            os.kill(os.getpid(), signal.SIGUSR1)
            give_way(50)
            if answered.is_set():
                break
        return value

    before = signal.getsignal(signal.SIGUSR1)
    made = Drive(numbers(3) >> fl.map(asks, workers=1), RunOrder(), Quiet(), report=report)
    assert made.run() == "finished"
    assert isinstance(told.get(timeout=20), Dump)
    assert signal.getsignal(signal.SIGUSR1) is before


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_who_asks_before_the_run_has_begun_is_not_answered() -> None:
    graph = numbers(3) >> fl.map(abs, workers=1)
    told: list[Dump] = []
    Drive(graph, RunOrder(), Quiet(), report=told.append).answer(graph.iterate())
    assert not told


def test_metrics_are_served_while_it_runs(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("prometheus_client", reason="the extra 'metrics' is not installed")
    graph = numbers(3) >> fl.map(abs, workers=1)
    made = Drive(graph, RunOrder(), Quiet(), metrics_port=0)
    with caplog.at_level(logging.INFO, "flowload"), graph.iterate() as batches, made.serving(batches):
        told = "metrics are at "
        address = next(line for line in caplog.messages if line.startswith(told)).removeprefix(told)
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b'flowload_stage_workers{stage="map"} 1.0' in answer.read()
