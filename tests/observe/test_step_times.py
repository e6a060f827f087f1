from __future__ import annotations

import json

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError


def graph() -> fl.Graph:
    return fl.windows(lambda a, b: np.zeros((b - a, 2)), 4, total=20, count=5) >> fl.sample_within(2, steps=1)


def test_waits_and_what_is_told_by_epoch() -> None:
    seen = []
    with graph().iterate(epochs=3, first_epoch=7) as batches:
        times = fl.StepTimes(batches, done=lambda: seen.append(1))
        for _ in batches:
            with times.part("forward"):
                pass
            times.note(backward=0.25, step=0.5)
        stats = batches.stats()
    found = times.by_epoch()
    assert list(found) == [7, 8, 9]
    for epoch, parts in found.items():
        assert list(parts) == ["wait", "forward", "backward", "step"]
        assert parts["wait"].times == 5 - (epoch == 7)  # windows, without the run's first
        assert parts["wait"] == (
            stats.epoch_waits[epoch].waits,
            *stats.epoch_waits[epoch][2:3],
            *parts["wait"][2:],
        )
        assert parts["forward"].times == 10
        assert parts["backward"][1:] == pytest.approx((0.25, 0.25, 0.25), rel=1 / 16)
        assert parts["step"].longest == 0.5
    assert len(seen) == 30
    assert sum(each.waits for each in stats.epoch_waits.values()) == stats.chunk_wait.waits
    assert json.loads(json.dumps(stats.as_json()))["epoch_waits"]["8"]["waits"] == 5
    table = str(times).splitlines()
    assert table[0].split() == ["epoch", "part", "times", "mean", "ms", "p95", "ms", "longest", "ms"]
    assert len(table) == 1 + 12


def test_without_a_run() -> None:
    times = fl.StepTimes()
    with pytest.raises(ZeroDivisionError), times.part("forward"):
        _ = 1 / 0
    assert times.by_epoch() == {}
    times.note(step=0.1)
    assert times.by_epoch()[0]["step"].times == 1
    with pytest.raises(GraphError, match="'wait'"):
        times.note(wait=1.0)
