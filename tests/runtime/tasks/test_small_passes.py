"""What a pass over little data costs beside the work itself: counted, for it grows with nothing else."""

from __future__ import annotations

import typing
from collections import Counter
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.observe.counting.durations import Durations
from flowload.observe.counting.metrics import Meter
from flowload.runtime.message import NumberedBlock
from flowload.runtime.state.saver import Saver
from flowload.runtime.state.snapshots import FIRST, Part, Place, Snapshots
from flowload.runtime.tasks import choose
from flowload.sample import sample_path


@pytest.fixture(autouse=True)
def no_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often the run saves its parts depends on time."""
    monkeypatch.setattr(Snapshots, "every", 3600.0)


def graph() -> fl.Graph:
    return (
        fl.rows({"x": np.arange(12)})
        >> fl.shuffle()
        >> fl.batch(4)
        >> fl.map(lambda batch: {"y": batch["x"]})
    )


def run(epochs: int) -> int:
    with graph().iterate(epochs=epochs) as batches:
        return sum(1 for _ in batches)


def run_of(batches: Any) -> Any:
    """The run behind a reader's face."""
    return batches.begun_run()


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, calls: Counter[str]) -> None:
    """Count the calls of a function."""
    inner = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return inner(*args, **kwargs)

    monkeypatch.setattr(owner, name, outer)


@pytest.mark.parametrize("every", [0.0, 3600.0])
def test_more_passes_and_cuts_ask_no_more_protocols(monkeypatch: pytest.MonkeyPatch, every: float) -> None:
    calls: Counter[str] = Counter()
    monkeypatch.setattr(Snapshots, "every", every)
    run(2)  # classes that were never looked at are remembered
    counted(monkeypatch, type(typing.SupportsInt), "__instancecheck__", calls)
    assert isinstance(1, typing.SupportsInt)  # so it is counted
    assert calls.pop("__instancecheck__") == 1
    assert run(2) == 6
    few = calls.pop("__instancecheck__")
    assert run(40) == 120
    assert calls["__instancecheck__"] == few


def test_no_block_is_copied_by_the_names_of_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    counted(monkeypatch, NumberedBlock, "_replace", calls)
    assert run(3) == 9
    assert not calls


def test_nobody_asks_for_cuts_before_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    for name in ("finer_cut", "open_one", "best"):
        counted(monkeypatch, Snapshots, name, calls)
    assert run(20) == 60
    assert not calls


def test_a_refused_cut_is_not_asked_for_at_every_block() -> None:
    place = Place("a", (), {}, joins=True)  # it may never make one
    snapshots = Snapshots([place], [Part((FIRST,), FIRST, {}, None)], dict)
    saver = Saver(snapshots, 0, [])
    saver.since = saver.next_finer = 0.0  # an hour has passed
    before = perf_counter()
    assert saver.finer() is None
    assert saver.next_finer >= before + snapshots.interval / 8


def test_lanes_need_the_kernels_of_one_stream_and_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: Counter[str] = Counter()
    counted(monkeypatch, choose, "segments_behind", calls)
    needs = []
    for lanes in (1, 4):
        games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.shard(0, 1, lanes=lanes)
        graph = games >> fl.shuffle_pool(100) >> fl.unpack(rate=0.5) >> fl.reservoir(64) >> fl.batch(8)
        with graph.iterate() as batches:
            next(batches)
            needs.append(len(run_of(batches).compiled.needs))
    assert 0 < needs[1] == needs[0]
    assert not calls  # nothing here is held back until there is room


def test_no_call_sums_up_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_: Durations) -> int:
        raise AssertionError("400 bins were added up")

    monkeypatch.setattr(Durations, "count", property(count))
    meter = Meter()
    for _ in range(3):
        assert meter.asks in (True, False)
        meter.took(0.001, None)
    assert meter.done == 3
