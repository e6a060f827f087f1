"""A cut that is asked for: the state that is taken behind it makes next to nothing again."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.runtime.state.saver import Saver
from flowload.runtime.state.snapshots import FIRST, Part, Place, Snapshots
from tests.runtime.elsewhere.local import elsewhere
from tests.runtime.lanes.worlds import digest

PASS = 10  #: batches
LATER = (
    600  #: batches behind which none is under way that was made before: 16 blocks wait, of 10 batches each
)


@pytest.fixture(autouse=True)
def rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cut is made unless one is asked for."""
    monkeypatch.setattr(Snapshots, "every", 3600.0)


def plain(shard: fl.Graph | None = None) -> fl.Graph:
    rows = fl.rows({"x": np.arange(100)}) >> fl.shuffle()
    return (rows if shard is None else rows >> shard) >> fl.batch(10) >> fl.map(lambda b: {"x": -b["x"]})


def lanes() -> fl.Graph:
    return plain(fl.shard(0, 1, lanes=2))


def read(run: Any, count: int) -> list[str]:
    return [digest(next(run)) for _ in range(count)]


def again(run: Any) -> int:
    """Blocks that a stage makes again."""
    found: int = run.state_cost().again
    return found


@pytest.mark.parametrize("draw", [plain, lanes])
def test_the_state_behind_it_makes_no_more_than_a_block_again(draw: Any) -> None:
    how: dict[str, Any] = {"seed": 3, "epochs": 200, "cpus": 2, "on_change": "accept"}
    with draw().iterate(**how) as run:
        read(run, 50)
        assert again(run) >= 50 // 2, "of each lane as many"
        run.cut()
        read(run, LATER)
        assert again(run) <= PASS + 1
        state = run.state_dict()
        wanted = read(run, LATER)
        assert again(run) >= LATER // 8, "it is over with a state"
    with draw().iterate(state=state, **how) as run:
        before = run.stats().stages["batch"].out
        assert read(run, LATER) == wanted
    assert before >= 10 * (LATER + 50 - 2 * PASS - 2), "the stages stand there, and make nothing before"


def test_a_state_that_is_taken_too_early_leaves_it_asked_for() -> None:
    with plain().iterate(seed=3, epochs=100, cpus=2) as run:
        read(run, 3)
        run.cut()
        assert run.state_dict()["standing"]["tasks"].keys() <= {"map", "batch.1"}, "of the beginning"
        read(run, LATER)
        assert again(run) <= PASS + 1


def test_a_fold_in_the_midst_of_a_call_makes_one_at_once() -> None:
    saver = Saver(Snapshots([Place("fold", (), {}, joins=False)], [Part((), FIRST, {}, None)], dict), 0, [])
    assert saver.finer() is None
    saver.snapshots.ask()
    assert saver.finer_is_due
    assert saver.finer() == (*FIRST, 1)


@pytest.mark.slow
def test_it_goes_to_another_process() -> None:
    with plain().iterate(seed=3, epochs=40_000, process=True, cpus=2, on_change="accept") as run:
        read(run, 50)
        run.cut()
        for _ in range(2_000):  # thousands may be on their way there, as the other process is faster
            read(run, 47)
            if again(run) <= PASS + 1:
                break
        else:
            pytest.fail("no cut came")


def test_it_goes_to_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Snapshots] = []

    def ask(self: Snapshots) -> None:
        asked.append(self)

    monkeypatch.setattr(Snapshots, "ask", ask)
    with elsewhere(lanes(), 2, seed=3, epochs=20, on_change="accept") as batches:
        read(batches, 5)
        batches.cut()
        assert len(set(asked)) == 2


class Sums:
    """A fold that cannot be written down."""

    def push(self, block: fl.Batch, call: Any) -> list[fl.Batch]:
        return [block]

    def flush(self, call: Any) -> list[fl.Batch]:
        return []


def test_where_there_are_no_cuts_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="flowload")
    with (plain() >> fl.fold(Sums)).iterate(epochs=100, cpus=2) as run:
        read(run, 3)
        run.cut()
        read(run, LATER)
        run.state_dict()
    assert "'fold' is a fold that has no state()" in caplog.text
