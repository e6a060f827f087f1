"""Slow-downs in any stage, and the bench that plants them. Nothing here is about time."""

from __future__ import annotations

import subprocess
import sys
from time import thread_time

import numpy as np
import pytest

import flowload as fl
from flowload.blocks import Batch
from flowload.observe.counting.durations import Durations
from flowload.runtime.threads.timing import JobTiming
from flowload.sample import sample_path
from tools.bench.measuring.settings import ROOT
from tools.bench.observe import planted as planting
from tools.bench.observe.measure import blind
from tools.bench.observe.planted import planted


def same(batch: Batch) -> Batch:
    return batch


def graph() -> fl.Graph:
    values = [Batch({"x": np.full((2, 1), k, np.float32)}) for k in range(6)]
    return fl.source(lambda: iter(values)) >> fl.map(same, workers=1) >> fl.batch(4)


@pytest.mark.parametrize(("name", "calls"), [("source", 6), ("map", 6), ("batch", 3)])
def test_a_stage_wastes_time_at_every_call_and_works_as_before(
    name: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wasted: list[float] = []
    monkeypatch.setattr(planting, "sleep", wasted.append)
    drawn = graph()
    with drawn.iterate() as batches:
        wanted = [repr(batch) for batch in batches]
    with planted(drawn.plan[name].stage, 0.25, "sleep"), drawn.iterate() as batches:
        assert [repr(batch) for batch in batches] == wanted
    assert wasted == [0.25] * calls
    with drawn.iterate() as batches:
        assert len(list(batches)) == len(wanted)
    assert len(wasted) == calls, "it is gone afterwards"


def test_spinning_uses_a_cpu() -> None:
    began = thread_time()
    planting.spin(0.01)
    assert thread_time() - began >= 0.01


def test_blind_means_that_nothing_is_measured() -> None:
    made, timing = Durations(), JobTiming()
    with blind():
        made.note(1.0)
        timing.begin()
    assert made.count == 0
    assert timing.began == 0.0
    made.note(1.0)
    assert made.count == 1


@pytest.mark.hammer
def test_the_bench_names_the_slowed_stage() -> None:
    words = ["--data", str(sample_path("chess") / "*.tar"), "--seconds", "0.3", "--warm", "0.1"]
    words += ["--rounds", "2", "--blocks", "50", "--turns", "1", "--only", "reservoir"]
    command = [sys.executable, "tools/bench", "observe", *words]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "statistics and a trace" in told
    assert told.splitlines()[-1].startswith("reservoir ")
