"""What user functions see, and what becomes of what they return."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flowload.blocks import Batch, Files, Item
from flowload.errors import DataError
from flowload.stages.user.blocks_of_values import Blaming, as_block, check_count, seen_by_user
from tests.stages.fakes import FakeCall
from tests.stages.toy import toy_frames


def batch(rows: int) -> Batch:
    return Batch({"x": np.zeros((rows, 2)), "y": np.zeros(rows)})


def test_users_see_what_consumers_get() -> None:
    whole = batch(3)
    assert seen_by_user(whole) == whole.arrays
    assert seen_by_user(Item("text")) == "text"
    frames = toy_frames(2)
    assert seen_by_user(frames) is frames


@pytest.mark.parametrize(
    "value",
    [
        {"x": np.zeros(3), "label": "text"},
        {"loss": np.float64(1.0)},
        {"scalar": np.zeros(())},
        {},
        np.zeros((4, 2)),
        np.float32(1.0),
        memoryview(b"abc"),
        b"abc",
        "abc",
        [1, 2],
        7,
    ],
    ids=lambda value: "memoryview" if isinstance(value, memoryview) else repr(value),
)
def test_other_values_are_one_sample(value: Any) -> None:
    made = as_block(value)
    assert isinstance(made, Item)
    assert made.value is value
    assert len(made) == 1


def test_a_dict_of_arrays_is_a_batch() -> None:
    arrays = {"x": np.zeros((3, 2)), "y": np.zeros(3)}
    made = as_block(arrays)
    assert isinstance(made, Batch)
    assert made.arrays is arrays
    assert len(made) == 3


def test_a_block_stays_itself() -> None:
    for block in (batch(2), Item(1), Files(("a",)), toy_frames(2)):
        assert as_block(block) is block


def test_a_forgotten_await_is_an_error() -> None:
    async def fetch() -> int:
        return 1

    with pytest.raises(TypeError, match="give the `async def` function"):
        as_block(fetch())


def test_the_number_of_samples_must_stay() -> None:
    call = FakeCall(number=4)
    check_count(batch(3), batch(3), call)
    check_count(Item(1), Item(2), call)
    with pytest.raises(
        DataError, match=r"block 4: another number of samples; found 2 returned; wanted the 3 .* fl\.filter"
    ):
        check_count(batch(3), batch(2), call)
    assert call.entered == 0


def test_another_unit_is_counted_anew() -> None:
    call = FakeCall()
    check_count(Item("path"), batch(5), call)
    assert call.entered == 5
    check_count(batch(5), Item("mean"), call)
    assert call.entered == 6


@pytest.mark.parametrize("error", [DataError("bad row", where="a"), ValueError("no")])
def test_errors_stay_bare_under_raise(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, Blaming(batch(3), FakeCall(), "raise"):
        raise error
    assert caught.value is error


def test_errors_are_counted_under_skip() -> None:
    call = FakeCall(number=7, on_error="skip")
    bad = DataError("bad row", where="a")
    with Blaming(batch(3), call, "skip"):
        raise bad
    with Blaming(batch(2), call, "skip"):
        raise KeyError("x")
    assert call.drops == {"bad row": 3, "KeyError": 2}
    assert call.rejects[0] is bad
    assert isinstance(call.rejects[1].__cause__, KeyError)
    assert str(call.rejects[1]) == "user function: block 7: KeyError; found 'x'"


def test_an_interrupt_is_no_bad_data() -> None:
    with pytest.raises(KeyboardInterrupt), Blaming(batch(1), FakeCall(on_error="skip"), "skip"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("cuda", [None, ModuleType("torch.cuda")])
def test_while_another_thread_imports_torch_nothing_is_asked_of_it(
    cuda: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = ModuleType("torch")
    if cuda is not None:
        monkeypatch.setattr(half, "cuda", cuda, raising=False)
    monkeypatch.setitem(sys.modules, "torch", half)
    assert isinstance(as_block({"x": np.zeros(3)}), Batch)
