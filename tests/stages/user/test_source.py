"""Data that the user's own code makes."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

from flowload.abc.operators import Block, Mark, Setting, Source
from flowload.blocks import Batch, Files, Item
from flowload.errors import GraphError
from flowload.stages.user.source import Given, GivenAsync, SourceStage, source
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall
from tests.states import through_json

SETTING = Setting(seed=0, epochs=1, cpus=1)

pytestmark = pytest.mark.anyio


def numbers() -> Iterator[int]:
    yield from range(5)


async def later() -> AsyncIterator[int]:
    for number in range(5):
        yield number


class Again:
    """Can be iterated again and again, waiting."""

    def __aiter__(self) -> AsyncIterator[int]:
        return later()


def opened(factory: Any) -> Given | GivenAsync:
    (operator,) = SourceStage(factory=factory).open(SETTING)
    assert isinstance(operator, Source)
    assert isinstance(operator, Given | GivenAsync)
    return operator


async def taken(operator: Given | GivenAsync, epoch: int, count: int | None = None) -> list[Any]:
    """The values of a pass, or of its beginning."""
    stream = operator.epoch(epoch, FakeCall())
    found: list[Block | Mark] = []
    if isinstance(stream, AsyncIterator):
        async for block in stream:
            found.append(block)
            if len(found) == count:
                break
        await stream.aclose()  # type: ignore[attr-defined]
    else:
        found += islice(stream, count)
    return [block.value if isinstance(block, Item) else block for block in found]


FACTORIES = {
    "function": numbers,
    "asynchronous function": later,
    "asynchronous iterable": Again(),
    "range": range(5),
    "list": [0, 1, 2, 3, 4],
    "partial": functools.partial(later),
    "lambda": lambda: range(5),
}
factories = pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())


@factories
async def test_every_pass_begins_anew(factory: Any) -> None:
    operator = opened(factory)
    assert await taken(operator, 0) == await taken(operator, 1) == [0, 1, 2, 3, 4]


@factories
async def test_resume_at_every_cut(factory: Any) -> None:
    for cut in range(1, 6):
        operator, again = opened(factory), opened(factory)
        assert await taken(operator, 1, cut) == list(range(cut))
        again.restore(through_json(operator.state()))
        assert await taken(again, 1) == list(range(cut, 5))
        assert await taken(again, 2) == [0, 1, 2, 3, 4]


def test_what_elements_become() -> None:
    arrays = {"x": np.zeros(3)}
    files = Files(("a",))
    batch, block, item = opened([arrays, files, "text"]).epoch(0, FakeCall())  # type: ignore[misc]
    assert isinstance(batch, Batch)
    assert batch.arrays is arrays
    assert block is files
    assert item == Item("text")


@pytest.mark.parametrize("wait", [False, True])
async def test_an_empty_batch_is_left_out(wait: bool) -> None:
    def batches() -> Iterator[Any]:
        yield from ({"x": np.zeros(rows)} for rows in (0, 2, 0))

    async def waiting() -> AsyncIterator[Any]:
        for batch in batches():
            yield batch

    assert [len(batch) for batch in await taken(opened(waiting if wait else batches), 0)] == [2]


async def test_none_is_a_value_like_any_other() -> None:
    assert await taken(opened([None, 1]), 0) == [None, 1]


def test_what_the_user_raises_stays_bare() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(opened(fails).epoch(0, FakeCall()))  # type: ignore[arg-type]


async def test_what_the_user_opened_is_closed_when_a_pass_is_left() -> None:
    left: list[str] = []

    def plain() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            left.append("plain")

    async def waiting() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            left.append("waiting")

    stream = opened(plain).epoch(0, FakeCall())
    assert isinstance(stream, Iterator)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert left == ["plain"]
    await taken(opened(waiting), 0, 1)
    assert left == ["plain", "waiting"]


def test_it_is_lazy() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(1)
            yield 1

    stream = opened(endless).epoch(0, FakeCall())
    assert not made
    assert isinstance(stream, Iterator)
    next(stream)
    assert made == [1]


@pytest.mark.parametrize(
    "once", [numbers(), iter([1]), later(), map(str, [1])], ids=lambda once: type(once).__name__
)
def test_what_can_be_read_only_once(once: Any) -> None:
    with pytest.raises(GraphError, match="can be read only once; give the function that makes it"):
        source(once)


@pytest.mark.parametrize("wrong", ["data/*.tar", b"data", {"x": np.zeros(3)}, 7, None], ids=repr)
def test_what_is_no_source(wrong: Any) -> None:
    with pytest.raises(GraphError, match=r"for files there is fl\.discover"):
        source(wrong)


def test_a_function_that_gives_a_spent_iterator() -> None:
    spent = iter([1])
    operator = opened(lambda: spent)
    assert len(list(operator.epoch(0, FakeCall()))) == 1  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="the same iterator again"):
        list(operator.epoch(1, FakeCall()))  # type: ignore[arg-type]


@pytest.mark.parametrize(("gives", "hint"), [(None, "no iterable$"), (Again(), "make it an `async def`")])
def test_a_function_that_gives_no_iterable(gives: Any, hint: str) -> None:
    with pytest.raises(GraphError, match=hint):
        list(opened(lambda: gives).epoch(0, FakeCall()))  # type: ignore[arg-type]


def test_the_exam() -> None:
    def batches() -> Iterator[Any]:
        yield from ({"x": np.arange(rows)} for rows in range(1, 5))

    assert sum(map(len, check_stage(source(batches), epochs=2))) == 20
    assert check_resume(source(batches), epochs=2) > 7


def test_the_word() -> None:
    (node,) = source(numbers, gives=Batch).nodes()
    assert node.stage == SourceStage(factory=numbers, carries=Batch)
    assert node.carries == (Batch,)
    assert source(numbers).nodes()[0].carries == (object,)
    with pytest.raises(GraphError, match="wanted a class"):
        source(numbers, gives="Batch")  # type: ignore[arg-type]
