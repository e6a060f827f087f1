from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flowload.abc.operators import Call
from flowload.errors import DataError, LedgerError, TooManyErrors
from flowload.graph import Graph
from tests.runtime.reading import FACES, Face, Taker
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
    Yields,
    flat,
    ints,
    numbers,
    origin,
    plus,
    rebatch,
    step,
)
from tests.runtime.tasks.members import bad, member, settled


def picky(shape: Any, fails: Any, **how: Any) -> Graph:
    """A stage that rejects single numbers."""

    def check(block: Ints, call: Call) -> Ints:
        for value in block.values[fails(block.values)]:
            call.reject(bad(int(value), source=f"{value // 50}.txt"))
        return block.select(~fails(block.values))

    async def check_async(block: Ints, call: Call) -> Ints:
        return check(block, call)

    makes = {
        "map": lambda: Does(check),
        "wait": lambda: DoesAsync(check_async),
        "fold": lambda: Folds(lambda block, call: [check(block, call)]),
    }
    return step(makes[shape], name="picky", **how)


SHAPES = ["map", "wait", "fold"]


def sevens(values: Any) -> Any:
    return values % 7 == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_bad_samples_are_skipped_counted_and_told_once(
    face: Face, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker()
    with caplog.at_level(logging.WARNING, "flowload"):
        face.use(numbers(100, 9) >> picky(shape, sevens, on_error="skip") >> rebatch(10), taker)
    assert flat(taker.got) == [n for n in range(100) if n % 7]
    stage = taker.run.stats().stages["picky"]
    assert (stage.in_, stage.out, stage.dropped) == (100, 85, {"bad number": 15})
    assert [record.getMessage() for record in caplog.records] == [
        "picky: skipped 1: 0.txt: record 0: bad number",
        "picky: skipped 1: 1.txt: record 56: bad number",
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_bad_samples_end_the_run_by_default(face: Face, shape: str) -> None:
    with pytest.raises(DataError, match=r"0\.txt: record 0: bad number") as caught:
        face.read(numbers(100, 9) >> picky(shape, sevens))
    assert caught.value.__context__ is None
    assert caught.value.__notes__[0].startswith("in stage 'picky'")


def whole(shape: str, **how: Any) -> Graph:
    """A stage that cannot do anything with some blocks."""

    def check(block: Ints, call: Call) -> Ints:
        call.drop(1, "before it was known")
        if 40 in block.values:
            raise bad(40)
        return block.select(slice(1, None))

    async def check_async(block: Ints, call: Call) -> Ints:
        return check(block, call)

    def check_fold(block: Ints, call: Call) -> Iterator[Ints]:
        yield check(block, call)

    makes = {
        "map": lambda: Does(check),
        "wait": lambda: DoesAsync(check_async),
        "fold": lambda: Folds(check_fold),
    }
    return step(makes[shape], name="whole", **how)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bad_block_is_skipped_whole(face: Face, shape: str) -> None:
    taker = Taker()
    face.use(numbers(100, 9) >> whole(shape, on_error="skip"), taker)
    stage = taker.run.stats().stages["whole"]
    assert (stage.in_, stage.out) == (100, 80)
    assert stage.dropped == {"bad number": 9, "before it was known": 11}


class Refuses:
    """Routes nothing of a bad block."""

    def route(self, block: Ints, call: Call) -> dict[str, Ints]:
        if 40 in block.values:
            raise bad(40)
        return {"a": block}


def test_a_block_that_cannot_be_routed_is_skipped_whole(face: Face) -> None:
    split = step(Refuses, ports=("a",), on_error="skip", name="split")
    assert len(flat(face.read(numbers(100, 9) >> split))) == 91
    with pytest.raises(DataError, match="record 40"):
        face.read(numbers(100, 9) >> step(Refuses, ports=("a",)))


class Skips(Yields):
    """A source that finds something wrong itself."""

    def epoch(self, number: int, call: Call) -> Iterator[Ints]:
        for n in range(10):
            if n % 3 == 0:
                call.reject(bad(n))
            elif n % 3 == 1:
                call.drop(1, "of no interest")
            else:
                yield ints([n])


class SkipsAsync(Skips):
    """The same, asynchronously."""

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Ints]:  # type: ignore[override]  # as Source allows
        for block in super().epoch(number, call):
            yield block


@pytest.mark.parametrize("shape", [Skips, SkipsAsync])
def test_a_source_may_skip_and_drop(shape: type[Yields]) -> None:
    with origin(shape(lambda _: ()), on_error="skip").iterate(epochs=2) as batches:
        assert flat(batches) == [2, 5, 8] * 2
        stage = batches.stats().stages["origin"]
    assert (stage.in_, stage.out, stage.dropped) == (20, 6, {"bad number": 8, "of no interest": 6})
    assert stage.busy > 0


@pytest.mark.parametrize("shape", [Skips, SkipsAsync])
def test_a_source_has_a_budget(shape: type[Yields]) -> None:
    graph = origin(shape(lambda _: ()), on_error="skip", max_errors=3)
    _, error = delivered_before(graph, TooManyErrors, FACES[0])
    assert error.__cause__.where == "a.txt: record 9"
    assert error.__notes__ == [f"in stage 'origin', declared at {graph.plan['origin'].node.where}"]


def delivered_before(graph: Graph, kind: type[Exception], face: Face, **how: Any) -> tuple[int, Any]:
    """The last number that came before the run failed, and the error."""
    taker = Taker()
    with pytest.raises(kind) as caught:
        face.use(graph, taker, **how)
    return len(taker.got), caught.value


@pytest.mark.parametrize("shape", SHAPES)
def test_a_budget_by_count(face: Face, shape: str) -> None:
    graph = numbers(100, 9) >> picky(shape, sevens, on_error="skip", max_errors=14)
    _, error = delivered_before(graph, TooManyErrors, face)
    assert str(error) == "1.txt: record 98: too many bad inputs; found 15; wanted at most 14"
    assert isinstance(error.__cause__, DataError)
    assert error.__cause__.where == "1.txt: record 98"
    assert error.__notes__ == [f"in stage 'picky', declared at {graph.plan['picky'].node.where}"]
    assert len(flat(face.read(numbers(100, 9) >> picky(shape, sevens, on_error="skip", max_errors=15)))) == 85


def test_no_budget_at_all(face: Face) -> None:
    _, error = delivered_before(
        numbers(100, 9) >> picky("map", sevens, on_error="skip", max_errors=0), TooManyErrors, face
    )
    assert "found 1; wanted at most 0" in str(error)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_budget_by_share_is_judged_once_enough_came_in(face: Face, shape: str) -> None:
    graph = numbers(1000, 10) >> picky(shape, lambda values: values < 30, on_error="skip", max_errors=0.1)
    assert len(flat(face.read(graph))) == 970  # more than a tenth of the first 100, had anybody judged then
    late = numbers(1000, 10) >> picky(
        shape, lambda values: (values >= 500) & (values % 2 == 0), on_error="skip", max_errors=0.1
    )
    _, error = delivered_before(late, TooManyErrors, face)
    assert str(error).endswith("found 64; wanted at most a share of 0.1 of 630")
    assert error.__cause__.where == "12.txt: record 626"


def test_a_budget_by_share_of_little_data_is_judged_at_the_end(face: Face) -> None:
    graph = numbers(20, 5) >> picky("map", lambda values: values > 16, on_error="skip", max_errors=0.1)
    count, error = delivered_before(graph, TooManyErrors, face)
    assert count == 4
    assert str(error).endswith("too many bad inputs; found 3; wanted at most a share of 0.1 of 20")
    assert isinstance(error.__cause__, DataError)
    assert error.__cause__.where == "0.txt: record 19"


def test_a_share_is_one_of_the_inputs_however_much_each_holds() -> None:
    """Half of the chunks are bad: that each good one holds a thousand samples does not make it a little."""
    one = member("skip", 0.1)

    def half(call: Call) -> None:
        call.opened(50_000)
        call.reject(bad(1), 50)

    with pytest.raises(TooManyErrors, match=r"found 50; wanted at most a share of 0\.1 of 100"):
        settled(one, half, samples=100)
    assert one.meter.in_ == 50_050


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", ["map", "wait"])
def test_a_budget_ends_the_run_at_the_same_block_for_any_number_of_workers(shape: str, workers: int) -> None:
    graph = (
        numbers(400, 5) >> picky(shape, sevens, on_error="skip", max_errors=20, workers=workers) >> plus(0)
    )
    _, error = delivered_before(graph, TooManyErrors, FACES[0], cpus=4)
    assert error.__cause__.where == "2.txt: record 140"


def test_a_fold_that_fails_after_it_gave_something_loses_count(face: Face) -> None:
    """A fold that can give parts must reject the rest itself: the run cannot know what was used."""

    def push(block: Ints, call: Call) -> Iterator[Ints]:
        yield block.select(slice(2))
        raise bad(1)

    with pytest.raises(LedgerError, match="-2 unaccounted for"):
        face.read(numbers(5, 5) >> step(lambda: Folds(push), on_error="skip"))
