"""Stages alone: what is tried, whatever it costs on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError
from flowload.runtime.profile import Profile
from tests.runtime.stages import Folds, step
from tests.threads import none_left
from tools.whatif.model import Replay, Trial, what_if
from tools.whatif.trials import look_closely, replays_of


def batches() -> Iterator[dict[str, Any]]:
    for _ in range(20):
        yield {"x": np.zeros((4, 2))}


def looked_at(graph: fl.Graph, **how: Any) -> tuple[Profile, tuple[Trial, ...]]:
    return look_closely(graph, **{"seconds": 0.2, "cpus": 2, **how})


def test_every_stage_is_tried_alone_as_far_as_that_can_be() -> None:
    told: list[str] = []
    graph = fl.source(batches) >> fl.map(dict, workers=1) >> step(Folds, name="order")
    seen, trials = looked_at(graph, tell=told.append)
    source, mapped, order = trials
    assert source.replays == ()
    assert source.note == "as it ran"
    assert [replay.workers for replay in mapped.replays][:1] == [1]
    assert (mapped.declared, mapped.workers) == (1, 1)
    assert [replay.workers for replay in order.replays] == [1]
    assert "test_trials.py:" in mapped.where
    assert told == ["the whole, for 0.2 s", "map: alone", "order: alone"]
    found = what_if(seen.now, seen.before, trials)
    assert found is not None
    assert [one.name for one in found.prospects] == ["source", "map", "order"]
    assert all(one.if_faster >= found.rate * 0.999 for one in found.prospects)


@pytest.mark.slow
def test_a_graph_with_several_outputs_is_read_whole() -> None:
    graph = fl.source(batches) >> fl.map(dict) >> fl.tee("a", "b")
    seen, trials = looked_at(graph)
    assert seen.now.outputs == 2
    assert [trial.note for trial in trials if not trial.replays] == ["as it ran", "as it ran"]


def test_a_stage_that_fails_alone_says_so() -> None:
    calls: list[int] = []
    failing = threading.Event()

    def often(batch: Any) -> Any:
        if failing.is_set():
            raise DataError("not again", where="here")
        calls.append(1)
        return batch

    graph = fl.source(batches) >> fl.map(often, workers=1)

    def tell(what: str) -> None:
        if what == "map: alone":
            failing.set()

    _, trials = looked_at(graph, tell=tell)
    assert trials[1].replays == ()
    assert "not again" in trials[1].note


@pytest.mark.slow
def test_nothing_is_left_behind() -> None:
    with none_left():
        looked_at(fl.source(batches) >> fl.map(dict, workers=2))


def test_workers_that_could_not_be_fed_are_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {2: 0.1, 1: 0.9, 3: 0.8, 4: 0.4, 5: 0.9}

    def pretended(*_: Any, workers: int, **__: Any) -> Replay:
        return Replay(workers, True, True, 1.0, 1.0, used[workers], 1)

    monkeypatch.setattr("tools.whatif.trials.replay", pretended)
    placed = (fl.source(batches) >> fl.map(dict)).plan.nodes[-1]
    seen = replays_of(placed, [], [2, 1, 3, 4, 5], 1.0, 2)
    assert [replay.workers for replay in seen] == [2, 1, 3]
