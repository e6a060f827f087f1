"""Every output gets everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowload.abc.operators import Block, Route, Setting
from flowload.blocks import Batch, Chunks, Frames, Item
from flowload.errors import GraphError
from flowload.stages.wiring.tee import TeeStage, ToAll, tee
from flowload.testing import check_stage
from tests.stages.fakes import FakeCall
from tests.stages.toy import toy_chunks, toy_frames


def routed(block: Block) -> Any:
    parts = ToAll(("a", "b")).route(block, FakeCall())
    assert set(parts) == {"a", "b"}
    assert parts["a"] is parts["b"]
    return parts["a"]


def test_samples_count_once_for_each_output() -> None:
    call = FakeCall()
    route = ToAll(("a", "b", "c"))
    assert isinstance(route, Route)
    parts = route.route(toy_frames(4), call)
    assert call.entered == sum(map(len, parts.values())) == 12


def test_frames_cannot_be_overwritten() -> None:
    frames = toy_frames(3)
    shared = routed(frames)
    assert isinstance(shared, Frames)
    assert np.shares_memory(shared.data, frames.data)
    with pytest.raises(ValueError, match="read-only"):
        shared.data[0] = 0
    assert frames.data.flags.writeable


def test_references_cannot_be_overwritten() -> None:
    chunks = toy_chunks(3)
    with pytest.raises(ValueError, match="read-only"):
        routed(chunks).table["use"] = 1
    assert chunks.table.flags.writeable


def test_batches_cannot_be_overwritten_and_other_arrays_pass() -> None:
    other = [1.0, 2.0]
    batch = Batch({"x": np.zeros(2), "other": other})
    shared = routed(batch)
    with pytest.raises(ValueError, match="read-only"):
        shared.arrays["x"][0] = 1
    assert shared.arrays["other"] is other
    assert batch.arrays["x"].flags.writeable


def test_values_of_the_users_pass_as_they_are() -> None:
    item = Item(object())
    assert routed(item) is item


def test_the_exam() -> None:
    check_stage(tee("a", "b"), [toy_frames(3), toy_chunks(2)])
    check_stage(tee(3), [Batch({"x": np.zeros(2)})])


def test_the_word() -> None:
    assert tee("train", "log").nodes()[0].outputs == ("train", "log")
    assert tee(3).nodes()[0].outputs == ("0", "1", "2")
    stage = TeeStage(names=("a", "b"))
    assert stage.gives([Chunks]) == {"a": Chunks, "b": Chunks}
    (route,) = stage.open(Setting(seed=0, epochs=1, cpus=1))
    assert isinstance(route, ToAll)


@pytest.mark.parametrize("names", [(), ("a",), (1,), (0,), (-3,), ("a", "a"), ("a", "b.c"), (True,)])
def test_bad_outputs(names: tuple[Any, ...]) -> None:
    with pytest.raises(GraphError, match=r"tee: |cannot be named"):
        tee(*names)
