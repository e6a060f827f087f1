from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from flowload.abc.operators import Bytes, Fold, Map, Setting
from flowload.blocks import Batch
from flowload.errors import GraphError
from flowload.graph import Stage
from flowload.stages.batches.batch import BatchStage, batch
from flowload.stages.batches.batch_memory import under_way
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, toy_frames

SETTING = Setting(seed=3, epochs=1, cpus=2)


@dataclass(frozen=True, kw_only=True)
class Reading(Stage):
    word: ClassVar[str] = "reading"
    format: Any = None


class Lock:
    def register(self, memory: Bytes) -> None: ...

    def unregister(self, memory: Bytes) -> None: ...


LOCK = Lock()


@dataclass(frozen=True, kw_only=True)
class Going(Stage):
    word: ClassVar[str] = "going"

    def device(self, setting: Setting) -> Lock:
        return LOCK


def test_an_unknown_layout_is_found_when_the_run_starts() -> None:
    stage = BatchStage(size=4, layout="bits")
    setting = replace(SETTING, upstream=(Stage(), Reading(format=TOY)))
    with pytest.raises(GraphError, match="toy has no layout 'bits'"):
        stage.open(setting)
    assert replace(stage, layout="only").memory(setting) > 0
    assert replace(stage, layout="only").memory(SETTING) == 0


def test_a_layout_is_for_records() -> None:
    with pytest.raises(GraphError, match="layout='bits' is for records"):
        BatchStage(size=4, layout="bits").gives([Batch])


def test_memory_is_prepared_for_the_next_device() -> None:
    stage = BatchStage(size=2)
    operators = stage.open(replace(SETTING, downstream=(Stage(), Going())))
    assert isinstance(operators[0], Fold)
    assert isinstance(operators[1], Map)
    call = FakeCall()
    for piece in operators[0].push(toy_frames(2), call):
        operators[1].apply(piece, call)
    assert call.devices == [LOCK]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size is 0; wanted a number from 1"),
        ({"size": 2.5}, "size is 2.5"),
        ({"size": True}, "size is True"),
        ({"size": 4, "layout": 7}, "layout is 7"),
        ({"size": 4, "drop_last": 1}, "drop_last is 1"),
    ],
)
def test_bad_parameters_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        batch(**arguments)


def test_the_word_makes_a_stage() -> None:
    (placed,) = batch(1024, layout="bits", workers=2).nodes()
    assert placed.stage == BatchStage(size=1024, layout="bits", workers=2)
    assert placed.stage.parameters() == {"size": 1024, "layout": "bits", "workers": 2}


def test_small_batches_may_be_more_but_no_more_bytes_than_large_ones() -> None:
    assert under_way(36 << 20, 2, 1) == 7 * (36 << 20)
    assert under_way(1000, 1, 1) == 3 * 32_000 + 3 * 1000
    assert under_way(1 << 20, 1, 1) == 3 * (4 << 20) + 3 * (1 << 20)
    assert under_way(0, 4, 64) == 0
    assert under_way(1 << 20, 1, 2) == 3 * (4 << 20) + 3 * (2 << 20)
    assert under_way(1000, 1, 64) == 3 * 32 * 64_000 + 3 * 64_000
