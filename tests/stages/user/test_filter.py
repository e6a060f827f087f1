"""Samples that a function lets pass."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Block, Map, OnError, Setting
from flowload.blocks import Batch, Files, Frames, Item
from flowload.errors import DataError, GraphError
from flowload.stages.user.filter import Filtered, FilteredAsync, FilterStage
from flowload.stages.user.filter import filter as filter_
from flowload.testing import check_stage
from tests.stages.fakes import FakeCall, both
from tests.stages.toy import toy_chunks, toy_frames, where_from

SETTING = Setting(seed=0, epochs=1, cpus=1)

pytestmark = pytest.mark.anyio


def batch(rows: int) -> Batch:
    return Batch({"x": np.arange(rows), "y": np.arange(2 * rows).reshape(rows, 2)})


async def apply(fn: Any, block: Block, call: FakeCall, on_error: OnError = "raise") -> Block | None:
    """Through the plain or the waiting operator, as the stage chooses."""
    (operator,) = FilterStage(fn=fn, on_error=on_error).open(SETTING)
    assert isinstance(operator, Map)
    made = operator.apply(block, call)
    return await made if inspect.isawaitable(made) else made


@pytest.mark.parametrize("fn", both(lambda arrays: arrays["x"] % 2 == 0), ids=["plain", "async"])
async def test_a_mask_keeps_rows(fn: Any) -> None:
    call = FakeCall()
    made = await apply(fn, batch(5), call)
    assert isinstance(made, Batch)
    assert made.arrays["x"].tolist() == [0, 2, 4]
    assert made.arrays["y"][:, 0].tolist() == [0, 4, 8]
    assert call.drops == {"filtered": 2}


@pytest.mark.parametrize("answer", [True, np.True_, np.ones(3, bool)], ids=repr)
async def test_a_block_that_passes_whole_is_not_copied(answer: Any) -> None:
    call, whole = FakeCall(), batch(3)
    assert await apply(lambda _: answer, whole, call) is whole
    assert not call.drops


@pytest.mark.parametrize("answer", [False, np.False_, np.zeros(3, bool)], ids=repr)
async def test_a_block_of_which_nothing_passes_is_counted(answer: Any) -> None:
    call = FakeCall()
    assert await apply(lambda _: answer, batch(3), call) is None
    assert call.drops == {"filtered": 3}


async def test_frames_and_chunks_and_items() -> None:
    frames = await apply(lambda block: block.origin["record"] > 1, toy_frames(4), FakeCall())
    assert isinstance(frames, Frames)
    assert where_from(frames.data) == [(0, 0, 2), (0, 0, 3)]
    chunks = await apply(lambda block: block.table["index"] == 1, toy_chunks(3), FakeCall())
    assert chunks is not None
    assert len(chunks) == 1
    assert await apply(lambda value: value > 3, Item(4), FakeCall()) == Item(4)
    assert await apply(lambda value: value > 3, Item(3), FakeCall()) is None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (np.ones(2, bool), r"shape \(2,\)"),
        (np.ones((3, 1), bool), r"shape \(3, 1\)"),
        (np.ones(3, np.int64), "ndarray of int64"),
        (None, "NoneType"),
        (1, "int of int64"),
        ([0, 2], "list of int64"),
    ],
    ids=repr,
)
async def test_what_is_no_mask(answer: Any, found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        await apply(lambda _: answer, batch(3), FakeCall(number=5))
    assert "block 5" in str(caught.value)
    assert "bool array of shape (3,)" in str(caught.value)


async def test_a_block_without_rows_passes_whole_or_not_at_all() -> None:
    files = Files(("a", "b"))
    assert await apply(lambda _: True, files, FakeCall()) is files
    call = FakeCall()
    with pytest.raises(TypeError, match=r"Files has no select\(mask\)"):
        await apply(lambda _: np.array([True, False]), files, call)
    assert not call.drops


@pytest.mark.parametrize("fn", both(lambda arrays: arrays["absent"] > 1), ids=["plain", "async"])
async def test_an_error_stays_bare_or_is_counted(fn: Any) -> None:
    with pytest.raises(KeyError):
        await apply(fn, batch(3), FakeCall())
    call = FakeCall(on_error="skip")
    assert await apply(fn, batch(3), call, "skip") is None
    assert call.drops == {"KeyError": 3}


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_what_passes_and_what_is_dropped_is_everything(mask: list[bool]) -> None:
    call, rows = FakeCall(), len(mask)
    made = Filtered(lambda _: np.array(mask), "odd", "raise").apply(batch(rows), call)
    kept = [row for row, stays in enumerate(mask) if stays]
    assert (made.arrays["x"].tolist() if isinstance(made, Batch) else []) == kept
    assert call.drops.total() == rows - len(kept)
    assert set(call.drops) <= {"odd"}


def test_the_exam() -> None:
    kept = check_stage(filter_(lambda arrays: arrays["x"] > 1), [batch(3), batch(1), batch(5)])
    assert [len(block) for block in kept] == [1, 3]
    check_stage(filter_(lambda block: block.origin["record"] > 1), [toy_frames(4)])


def test_the_word() -> None:
    def fn(_: Any) -> bool:
        return True

    (node,) = filter_(fn, workers=2, on_error="skip", max_errors=0.5, reason="short").nodes()
    assert node.stage == FilterStage(fn=fn, reason="short", workers=2, on_error="skip", max_errors=0.5)
    assert node.stage.gives([Frames]) == {"out": Frames}


def test_coroutine_functions_are_recognised() -> None:
    for fn, kind in zip(both(lambda _: True), (Filtered, FilteredAsync), strict=True):
        (operator,) = FilterStage(fn=fn).open(SETTING)
        assert isinstance(operator, kind)


@pytest.mark.parametrize("bad", [{"fn": 3}, {"fn": bool, "reason": ""}])
def test_bad_parameters(bad: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="filter: "):
        filter_(**bad)
