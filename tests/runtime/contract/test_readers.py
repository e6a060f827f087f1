from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flowload.abc.operators import Bytes, Call
from flowload.errors import DataError
from flowload.graph import Graph
from flowload.runtime import run as run_module
from tests.runtime.contract.everything import BoomError, everything
from tests.runtime.reading import Face, Taker, run_threads
from tests.runtime.stages import (
    Does,
    Folds,
    Ints,
    Yields,
    flat,
    ints,
    numbers,
    origin,
    plus,
    step,
)


def test_the_reader_leaves(face: Face) -> None:
    assert len(face.read(everything("nowhere"), most=3)) == 3


def test_the_reader_leaves_before_the_first_batch(face: Face) -> None:
    face.use(everything("nowhere"), None)


@pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt, SystemExit])
def test_the_error_of_the_reader_stays_bare(face: Face, error: type[BaseException]) -> None:
    raised = error()

    def fail(batch: Ints, run: Any) -> bool:
        raise raised

    with pytest.raises(error) as caught:
        face.use(everything("nowhere"), fail)
    assert caught.value is raised
    assert not getattr(raised, "__notes__", [])


def test_the_error_of_the_reader_wins_over_a_failure_that_it_has_not_seen() -> None:
    failing = threading.Event()

    def fail(block: Ints, call: Call) -> Ints:
        failing.set()
        raise BoomError("of the stage")

    def leave(graph: Graph) -> None:
        with graph.iterate():
            failing.wait()
            raise BoomError("of the reader")

    with pytest.raises(BoomError, match="of the reader"):
        leave(numbers(3) >> step(lambda: Does(fail)))


def test_a_dropped_iterator_stops_its_run() -> None:
    for batch in everything("nowhere").iterate():
        assert len(batch)
        break
    assert run_threads() == []


def test_a_thread_that_is_stuck_is_named_and_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_module, "PATIENCE", 0.05)
    stuck, release = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def sticks(block: Ints, call: Call) -> Ints:
        threads.append(threading.current_thread())
        stuck.set()
        release.wait()
        return block

    with (numbers(9) >> step(lambda: Does(sticks), workers=1)).iterate():
        stuck.wait()
    assert run_threads() == [threads[0].name]
    release.set()
    threads[0].join()  # it goes home by itself, and nobody minds what it made
    assert [record.getMessage() for record in caplog.records] == [
        f"thread {threads[0].name} is stuck in a call; the run is left without it"
    ]


def resources(log: list[str]) -> Iterator[Ints]:
    """A source that must be closed."""
    try:
        for n in itertools.count():
            yield ints([n])
    finally:
        log.append("closed")


def test_what_a_source_has_open_is_closed_when_the_run_is_left(face: Face) -> None:
    log: list[str] = []
    face.read(origin(Yields(lambda _: resources(log))) >> plus(1), most=2)
    assert log == ["closed"]


def test_what_a_fold_has_open_is_closed_when_the_run_is_left(face: Face) -> None:
    log: list[str] = []
    face.read(numbers(1) >> step(lambda: Folds(lambda block, _: resources(log))), most=2)
    assert log == ["closed"]


class Closes(Folds):
    """Has something open, and perhaps cannot close it."""

    def __init__(self, log: list[str], error: Exception | None = None) -> None:
        super().__init__()
        self.log = log
        self.error = error

    def close(self) -> None:
        self.log.append("closed")
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("most", [None, 1])
def test_every_operator_is_closed_once(face: Face, most: int | None) -> None:
    log: list[str] = []
    face.read(numbers(9) >> step(lambda: Closes(log), lambda: Closes(log)) >> plus(0), most)
    assert log == ["closed", "closed"]


def test_an_operator_that_cannot_be_closed_fails_the_run(face: Face) -> None:
    log: list[str] = []
    graph = numbers(9) >> step(lambda: Closes(log, BoomError()), lambda: Closes(log), name="fold")
    with pytest.raises(BoomError) as caught:
        face.read(graph)
    assert caught.value.__notes__ == [f"in stage 'fold', declared at {graph.plan['fold'].node.where}"]
    assert log == ["closed", "closed"]


def test_an_operator_that_cannot_be_closed_is_logged_when_nobody_reads(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    face.read(numbers(9) >> step(lambda: Closes([], BoomError())), most=1)
    assert [record.getMessage() for record in caplog.records] == ["a stage could not be closed"]


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("shape", [Does, Folds])
def test_a_stage_that_ends_its_thread_does_not_end_the_loop(
    face: Face, shape: Any, error: type[BaseException]
) -> None:
    def leave(block: Ints, call: Call) -> Ints:
        raise error

    with pytest.raises(RuntimeError, match=error.__name__) as caught:
        face.read(numbers(3) >> step(lambda: shape(leave), name="step"))
    assert type(caught.value.__cause__) is error


class Jams:
    """A device that cannot let go of memory."""

    def register(self, memory: Bytes) -> None:
        pass

    def unregister(self, memory: Bytes) -> None:
        raise BoomError("of the device")


def test_memory_that_cannot_be_given_back_fails_the_run(face: Face) -> None:
    device = Jams()
    log: list[str] = []

    def leases(block: Ints, call: Call) -> Ints:
        call.lease(100, device)
        return block

    graph = numbers(3) >> step(lambda: Does(leases)) >> step(lambda: Closes(log))
    with pytest.raises(BoomError, match="of the device"):
        face.read(graph)
    assert log == ["closed"]


def test_all_memory_is_given_back_when_some_cannot_be(face: Face) -> None:
    freed: list[int] = []

    class Refuses(Jams):
        def unregister(self, memory: Bytes) -> None:
            freed.append(len(memory))
            super().unregister(memory)

    def leases(block: Ints, call: Call) -> Ints:
        both = call.lease(100, device), call.lease(100, device)
        assert both[0] is not both[1]
        return block

    device = Refuses()
    with pytest.raises(BoomError, match="of the device") as caught:
        face.read(numbers(1) >> step(lambda: Does(leases)))
    assert len(freed) == 2
    assert "so did 1 more of the buffers that were to be freed" in caught.value.__notes__


class Reads(Does):
    """A map whose files changed."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(lambda block, _: block)
        self.log = log

    def check_files(self) -> None:
        self.log.append(threading.current_thread().name)
        raise DataError("file changed", where="x.npy", found="3 bytes", wanted="4 bytes")


def test_a_file_that_changed_is_told_at_the_end(face: Face) -> None:
    asked: list[str] = []
    taker = Taker()
    graph = numbers(300) >> step(lambda: Reads(asked))
    with pytest.raises(DataError, match=r"x\.npy: file changed") as caught:
        face.use(graph, taker)
    assert flat(taker.got) == list(range(300))
    assert "in stage 'step'" in caught.value.__notes__[0]
    assert len(asked) == 1
    assert asked[0].startswith("flowload-io")
    asked.clear()
    face.read(graph, 1)
    assert not asked, "a reader who leaves does not wait for it"


def test_a_file_that_changed_is_a_warning_where_bad_data_are_skipped(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    graph = numbers(30) >> step(lambda: Reads([]), on_error="skip")
    assert flat(face.read(graph)) == list(range(30))
    assert "x.npy: file changed" in caplog.text
