"""Looking closely at a run: what is looked at, whatever it costs on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.observe.verdict import judge
from flowload.runtime.profile import Profile, profile
from tests.threads import none_left


def batches() -> Iterator[dict[str, Any]]:
    for _ in range(20):
        yield {"x": np.zeros((4, 2))}


def looked_at(graph: fl.Graph, **how: Any) -> Profile:
    return profile(graph, **{"seconds": 0.2, "cpus": 2, **how})


def test_what_limits_is_told() -> None:
    seen = looked_at(fl.source(batches) >> fl.map(dict))
    assert judge(seen.now, seen.before) is not None


def test_taps_see_what_goes_in_and_all_is_open_while_the_run_stands_still() -> None:
    shown: list[Any] = []
    told: list[Profile] = []
    graph = fl.source(batches) >> fl.map(dict, workers=1)
    seen = looked_at(graph, taps={"map": shown.append}, still=told.append)
    assert shown
    assert told == [seen]


def test_samples_are_a_bound() -> None:
    seen = looked_at(fl.source(batches) >> fl.map(dict), seconds=100, samples=50)
    assert seen.now.delivered >= 50
    assert seen.now.elapsed < 50


def test_what_the_run_raises_is_raised() -> None:
    def refuse(batch: Any) -> Any:
        raise DataError("no", where="here")

    with pytest.raises(DataError, match="no"):
        looked_at(fl.source(batches) >> fl.map(refuse))


@pytest.mark.parametrize("bad", [{"seconds": 0}, {"seconds": float("nan")}, {"samples": 0}])
def test_bounds_are_above_zero(bad: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="above 0"):
        looked_at(fl.source(batches) >> fl.map(dict), **bad)


def test_several_outputs_are_read_and_nothing_is_left_behind() -> None:
    with none_left():
        seen = looked_at(fl.source(batches) >> fl.map(dict, workers=2) >> fl.tee("a", "b"))
    assert seen.now.outputs == 2
