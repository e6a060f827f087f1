"""The contract on top of flowload/runtime/run.py: a test for every line of it, on every face."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Call
from flowload.errors import ClosedRun, LedgerError, UserCodeError
from tests.runtime.contract.everything import BoomError, everything
from tests.runtime.reading import Face, Taker, run_threads
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
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

STAGES = ["begin", "map", "wait", "fold", "io", "split", "branch", "merge", "turn", "last"]


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
