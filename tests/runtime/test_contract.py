"""The contract on top of flowload/runtime/run.py: a test for every line of it, on every face."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Bytes, Call
from flowload.errors import ClosedRun, DataError, LedgerError, UserCodeError
from flowload.graph import Graph, place
from flowload.runtime import run as run_module
from tests.runtime.reading import Face, Taker, run_threads
from tests.runtime.stages import (
    Cycle,
    Does,
    DoesAsync,
    Folds,
    Hands,
    Ints,
    Junction,
    Modulo,
    Yields,
    flat,
    in_turn,
    ints,
    numbers,
    origin,
    plus,
    rebatch,
    step,
)

FAILS_AT = 12
STAGES = ["begin", "map", "wait", "fold", "io", "split", "branch", "merge", "turn", "last"]


class BoomError(Exception):
    """What a stage of the test fails with."""


def everything(fails: str) -> Graph:
    """An endless line with every shape of operator in it, of which one fails."""

    def check(block: Ints, stage: str) -> Ints:
        if fails == stage and FAILS_AT in block.values:
            raise BoomError(stage)
        return block

    def sync(stage: str) -> Does:
        return Does(lambda block, _: check(block, stage))

    async def waits(block: Ints, call: Call) -> Ints:
        await anyio.lowlevel.checkpoint()
        return check(block, "wait")

    class Split(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return super().route(check(block, "split"), call)

    class Merge(Cycle):
        def choose(self, alive: Sequence[int]) -> int:
            if fails == "turn":
                raise BoomError("turn")
            return super().choose(alive)

        def took(self, which: int, samples: int) -> None:
            super().took(which, samples)
            if fails == "merge":
                raise BoomError("merge")

    endless = Yields(lambda _: (check(ints([n, n + 1]), "begin") for n in itertools.count()))
    split = (
        origin(endless).named("begin")
        >> step(lambda: sync("map"), workers=2, name="map")
        >> step(lambda: DoesAsync(waits), name="wait")
        >> step(lambda: Folds(lambda block, _: [check(block, "fold")]), name="fold")
        >> place(Hands(make=lambda: [sync("io")]), name="io")
        >> step(lambda: Split(("even", "odd")), ports=("even", "odd"), name="split")
    )
    branches = [split["even"] >> step(lambda: sync("branch"), name="branch"), split["odd"]]
    merged = branches >> place(Junction(make=lambda: [Merge()]), name="merge")
    return merged >> step(lambda: sync("last"), name="last")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_fails(face: Face, stage: str) -> None:
    graph = everything(stage)
    name = "merge" if stage == "turn" else stage
    where = graph.plan[name].node.where
    assert ".py:" in where
    with pytest.raises(BoomError, match=stage) as caught:
        face.read(graph)
    assert type(caught.value) is BoomError
    assert caught.value.__notes__ == [f"in stage {name!r}, declared at {where}"]
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_failure_in_one_operator_of_a_stage_is_noted_once(face: Face) -> None:
    def fail(block: Ints, call: Call) -> list[Ints]:
        raise BoomError

    graph = numbers(3) >> step(Folds, lambda: Folds(fail), name="two")
    with pytest.raises(BoomError) as caught:
        face.read(graph)
    assert caught.value.__notes__ == [f"in stage 'two', declared at {graph.plan['two'].node.where}"]


@pytest.mark.parametrize("shape", [Does, Folds])
def test_a_stage_that_raises_stop_iteration_does_not_end_the_stream(face: Face, shape: Any) -> None:
    def stop(block: Ints, call: Call) -> Ints:
        raise StopIteration

    with pytest.raises(UserCodeError, match="StopIteration") as caught:
        face.read(numbers(3) >> step(lambda: shape(stop), name="map"))
    assert "in stage 'map'" in caught.value.__notes__[0]
    assert type(caught.value.__cause__) is StopIteration


class FailsLate(Yields):
    """A source that fails when it is cancelled."""

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Ints]:  # type: ignore[override]  # as Source allows
        try:
            yield ints([1])
            await anyio.sleep_forever()
        finally:
            raise BoomError("second")


def test_a_stage_that_fails_while_it_is_cancelled_is_not_heard(face: Face) -> None:
    async def second(block: Ints, call: Call) -> Ints:
        try:
            await anyio.sleep_forever()
        finally:
            raise BoomError("second")

    def first(block: Ints, call: Call) -> Ints:
        raise BoomError("first")

    split = origin(FailsLate(lambda _: ())) >> plus(0) >> step(Twins, ports=("a", "b"))
    graph = [split["a"] >> step(lambda: DoesAsync(second)), split["b"] >> step(lambda: Does(first))]
    with pytest.raises(BoomError, match="first") as caught:
        face.read(graph >> in_turn())
    assert caught.value.__context__ is None


class Twins:
    """Gives the same to both ports."""

    def route(self, block: Ints, call: Call) -> dict[str, Ints]:
        call.opened(2 * len(block))
        return {"a": block, "b": block}


def test_a_stage_that_fails_after_another_is_not_heard() -> None:
    seen = threading.Event()

    def fail(block: Ints, call: Call) -> Ints:
        if block.values[0] == 0:
            raise BoomError("first")
        seen.wait()
        raise BoomError("second")

    with (numbers(2) >> step(lambda: Does(fail), workers=2)).iterate() as batches:
        with pytest.raises(BoomError, match="first"):
            next(iter(batches))
        seen.set()


@pytest.mark.parametrize("shape", ["thread", "loop"])
def test_of_several_failures_of_a_stage_the_first_in_its_stream_is_raised(face: Face, shape: str) -> None:
    later = threading.Event()

    def fail(block: Ints, call: Call) -> Ints:
        if block.values[0] == 0:
            later.wait()
        else:
            later.set()
        raise BoomError(block.values[0])

    async def fail_async(block: Ints, call: Call) -> Ints:
        while block.values[0] == 0 and not later.is_set():
            await anyio.lowlevel.checkpoint()
        return fail(block, call)

    makes = {"thread": lambda: Does(fail), "loop": lambda: DoesAsync(fail_async)}
    with pytest.raises(BoomError, match="0"):
        face.read(numbers(2) >> step(makes[shape], workers=2))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio gives nobody a Cancelled of his own
async def test_a_call_in_the_loop_may_wait_for_something_that_is_cancelled() -> None:
    async def wait(block: Ints, call: Call) -> Ints:
        raise anyio.get_cancelled_exc_class()

    async with (numbers(3) >> step(lambda: DoesAsync(wait))).stream() as batches:
        with pytest.raises(RuntimeError, match="a call ended with CancelledError"):
            await anext(batches)


def test_the_end_of_a_stream_is_told_when_everything_is_gone(face: Face) -> None:
    taker = Taker()
    face.use(numbers(20, 3) >> plus(1) >> rebatch(4), taker)
    stats = taker.run.stats()
    assert stats.finished
    assert stats.delivered == 20
    for stage in stats.stages.values():
        assert stage.in_ == stage.out + sum(stage.dropped.values()) + stage.held == 20
        assert stage.held == stage.running == 0


def test_nothing_runs_any_more_when_the_end_is_told() -> None:
    with numbers(20, 3).iterate() as batches:
        iterator = iter(batches)
        for _ in range(7):
            next(iterator)
        with pytest.raises(StopIteration):
            next(iterator)
        assert not any("kernel" in name or "io" in name for name in run_threads())
        with pytest.raises(ClosedRun):
            next(iterator)


class Loses(Folds):
    """Forgets one block."""

    def push(self, block: Ints, call: Call) -> list[Ints]:
        return [] if 7 in block.values else [block]


def lies(block: Ints, call: Call) -> Ints:
    call.drop(1, "not so")
    return block


@pytest.mark.parametrize(
    ("shape", "missing"),
    [
        (Loses, r"\+2 unaccounted for"),
        (lambda: Does(lambda block, _: None if 7 in block.values else block), r"\+2 unaccounted for"),
        (lambda: Does(lambda block, _: block.select(slice(1))), r"\+10 unaccounted for"),
        (lambda: Does(lambda block, _: ints([*block.values, 0])), r"-10 unaccounted for"),
        (lambda: Does(lies), r"-10 unaccounted for"),
        (lambda: Folds(flush=lambda _: [ints([1, 2, 3])]), r"-3 unaccounted for"),
    ],
)
def test_samples_that_do_not_add_up_are_an_error(face: Face, shape: Any, missing: str) -> None:
    with pytest.raises(LedgerError, match=rf"lossy: in .*{missing}"):
        face.read(numbers(20, 2) >> step(shape, name="lossy") >> plus(0))


def test_samples_that_are_dropped_with_a_reason_add_up(face: Face) -> None:
    def halves(block: Ints, call: Call) -> Ints:
        call.drop(1, "half")
        return block.select(slice(1))

    got = face.read(numbers(20, 2) >> step(lambda: Does(halves)))
    assert flat(got) == list(range(0, 20, 2))


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
