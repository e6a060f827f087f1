"""A dropped output is counted to the last sample."""

from __future__ import annotations

from flowload.abc.operators import Map, Setting
from flowload.graph.drop import Drop, Unused
from tests.stages.fakes import FakeCall


class Five:
    nbytes = 40

    def __len__(self) -> int:
        return 5


def test_every_sample_is_counted_as_unused() -> None:
    call = FakeCall()
    operator = Unused()
    assert isinstance(operator, Map)
    for _ in range(3):
        operator.apply(Five(), call)
    assert call.drops == {"unused": 15}


def test_the_stage_is_one_operator_and_takes_everything() -> None:
    stage = Drop()
    assert [type(operator) for operator in stage.open(Setting(seed=0, epochs=1, cpus=1))] == [Unused]
    assert stage.gives([int]) == {}
    assert stage.accepts == (object,)
