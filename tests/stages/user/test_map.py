"""Functions of the user's on blocks."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Block, Map, OnError, Operator, Setting
from flowload.blocks import Batch, Frames, Item
from flowload.errors import DataError, GraphError
from flowload.stages.user.map import Applied, AppliedAsync, MapStage, is_async
from flowload.stages.user.map import map as map_
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall, both
from tests.stages.toy import toy_frames

SETTING = Setting(seed=0, epochs=1, cpus=1)


def batch(rows: int) -> Batch:
    return Batch({"x": np.arange(rows)})


async def apply(fn: Any, block: Block, call: FakeCall, on_error: OnError = "raise") -> Block | None:
    """Through the plain or the waiting operator, as the stage chooses."""
    (operator,) = MapStage(fn=fn, on_error=on_error).open(SETTING)
    assert isinstance(operator, Map)
    made = operator.apply(block, call)
    return await made if inspect.isawaitable(made) else made


def doubled(arrays: dict[str, Any]) -> dict[str, Any]:
    return {"x": arrays["x"] * 2}


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fn", both(doubled), ids=["plain", "async"])
async def test_a_batch_is_a_dict_to_the_function(fn: Any) -> None:
    call = FakeCall()
    made = await apply(fn, batch(3), call)
    assert isinstance(made, Batch)
    assert made.arrays["x"].tolist() == [0, 2, 4]
    assert call.entered == 0


@pytest.mark.parametrize("fn", both(lambda value: value + 1), ids=["plain", "async"])
async def test_an_item_is_its_value(fn: Any) -> None:
    assert await apply(fn, Item(1), FakeCall()) == Item(2)


async def test_other_blocks_are_themselves() -> None:
    seen: list[Any] = []
    frames = toy_frames(3)

    def look(block: Frames) -> Frames:
        seen.append(block)
        return block

    assert await apply(look, frames, FakeCall()) is frames
    assert seen == [frames]


@pytest.mark.parametrize("fn", both(lambda _: None), ids=["plain", "async"])
async def test_none_is_counted(fn: Any) -> None:
    call = FakeCall()
    assert await apply(fn, batch(3), call) is None
    assert call.drops == {"returned None": 3}


@pytest.mark.parametrize("fn", both(lambda arrays: {"x": arrays["x"][1:]}), ids=["plain", "async"])
async def test_losing_samples_is_an_error(fn: Any) -> None:
    with pytest.raises(DataError, match="another number of samples"):
        await apply(fn, batch(3), FakeCall())
    call = FakeCall(on_error="skip")
    assert await apply(fn, batch(3), call, "skip") is None
    assert call.drops == {"another number of samples": 3}


@pytest.mark.parametrize("fn", both(lambda arrays: arrays["absent"]), ids=["plain", "async"])
async def test_an_error_stays_bare_or_is_counted(fn: Any) -> None:
    with pytest.raises(KeyError):
        await apply(fn, batch(3), FakeCall())
    call = FakeCall(on_error="skip")
    assert await apply(fn, batch(3), call, "skip") is None
    assert call.drops == {"KeyError": 3}


async def test_an_item_may_become_nothing() -> None:
    call = FakeCall()
    assert await apply(lambda rows: {"x": np.zeros(rows)}, Item(0), call) is None
    assert call.entered == 0


async def test_an_item_may_become_a_batch() -> None:
    call = FakeCall()
    made = await apply(lambda rows: {"x": np.zeros(rows)}, Item(4), call)
    assert made is not None
    assert len(made) == 4
    assert call.entered == 4


class Waiting:
    async def __call__(self, value: Any) -> Any:
        return value


async def coroutine(value: Any, extra: int = 0) -> Any:
    return value


@pytest.mark.parametrize(
    ("fn", "kind"),
    [
        (doubled, Applied),
        (str, Applied),
        (coroutine, AppliedAsync),
        (functools.partial(coroutine, extra=1), AppliedAsync),
        (Waiting(), AppliedAsync),
        (Waiting().__call__, AppliedAsync),
    ],
)
def test_coroutine_functions_are_recognised(fn: Any, kind: type[Operator]) -> None:
    (operator,) = MapStage(fn=fn).open(SETTING)
    assert isinstance(operator, kind)
    assert is_async(fn) is (kind is AppliedAsync)
    assert isinstance(operator, Applied | AppliedAsync)
    assert inspect.iscoroutinefunction(operator.apply) is is_async(fn)


def test_the_exam() -> None:
    assert len(check_stage(map_(doubled), [batch(3), batch(1)])) == 2
    check_resume(map_(doubled), [batch(3), batch(1)])


def test_it_carries_what_came_in_unless_the_user_says_otherwise() -> None:
    assert MapStage(fn=doubled).gives([Frames]) == {"out": Frames}
    assert MapStage(fn=doubled, carries=Batch).gives([Frames]) == {"out": Batch}
    (node,) = map_(doubled, workers=2, on_error="skip", max_errors=3, gives=Batch).nodes()
    assert node.stage == MapStage(fn=doubled, workers=2, on_error="skip", max_errors=3, carries=Batch)


@pytest.mark.parametrize("bad", [{"fn": 3}, {"fn": doubled, "gives": "Batch"}, {"fn": doubled, "workers": 0}])
def test_bad_parameters(bad: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="map: "):
        map_(**bad)


# --- chance -----------------------------------------------------------------------------------------


def noisy(arrays: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {"x": arrays["x"], "noise": rng.random(len(arrays["x"]))}


@pytest.mark.parametrize("fn", both(doubled), ids=["plain", "async"])
async def test_no_function_is_given_chance_unless_it_is_asked_for(fn: Any) -> None:
    assert not MapStage(fn=fn).random
    assert MapStage(fn=fn, random=True).parameters()["random"] is True


def test_noise_depends_on_the_blocks_place_alone() -> None:
    graph = fl.rows(100) >> fl.batch(7) >> map_(lambda arrays: {"x": arrays["index"]})
    runs = []
    for workers in (1, 4):
        drawing = graph >> map_(noisy, random=True, workers=workers)
        with drawing.iterate(seed=3, epochs=2, cpus=2) as batches:
            runs.append([batch["noise"].tolist() for batch in batches])
    assert runs[0] == runs[1]
    assert len({str(noise) for noise in runs[0]}) == len(runs[0]) == 29
    with (graph >> map_(noisy, random=True)).iterate(seed=4) as batches:
        assert next(iter(batches))["noise"].tolist() != runs[0][0]


async def test_a_coroutine_function_is_given_chance_too() -> None:
    async def waits(arrays: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return noisy(arrays, rng)

    (operator,) = MapStage(fn=waits, random=True).open(SETTING)
    assert isinstance(operator, AppliedAsync)
    made = await operator.apply(batch(3), FakeCall(number=2))
    assert isinstance(made, Batch)
    assert made.arrays["noise"].tolist() == FakeCall(number=2).rng().random(3).tolist()


@pytest.mark.parametrize("fn", both(doubled), ids=["plain", "async"])
async def test_random_is_yes_or_no(fn: Any) -> None:
    with pytest.raises(GraphError, match="random is 'yes'; wanted True or False"):
        MapStage(fn=fn, random="yes")  # type: ignore[arg-type]


# --- arrays that go with a whole batch ---------------------------------------------------------------


async def test_what_has_no_row_a_sample_stays_so() -> None:
    pairs = np.arange(12)
    pairs.flags.writeable = False
    seen = Batch({"x": np.arange(3)}, {"pairs": pairs, "more": np.arange(5)})

    def fn(arrays: dict[str, Any]) -> dict[str, Any]:
        return {"pairs": arrays["pairs"], "y": arrays["x"] + 1}

    made = await apply(fn, seen, FakeCall())
    assert isinstance(made, Batch)
    assert made.whole["pairs"] is pairs
    assert list(made.arrays) == ["y"]
    assert list(made.whole) == ["pairs"]
    assert len(made) == 3
