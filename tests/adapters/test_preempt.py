"""A signal ends the loop behind the batch that is worked on; the state is there, and goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from tests.threads import none_left

GRAPH = fl.rows({"x": np.arange(100)}) >> fl.shuffle() >> fl.batch(10)


def taken(batches: Any) -> list[list[int]]:
    return [batch["x"].tolist() for batch in batches]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_the_state_is_that_behind_the_batch_which_was_worked_on(tmp_path: Path, number: int) -> None:
    whole = taken(GRAPH.iterate(seed=1))
    begun: list[list[int]] = []
    before = signal.getsignal(number)

    def train() -> None:
        with (
            none_left(),
            GRAPH.iterate(seed=1) as batches,
            fl.on_preempt(batches, tmp_path / "state.json", number=number) as going,
        ):
            for batch in going:
                begun.append(batch["x"].tolist())
                if len(begun) == 4:
                    signal.raise_signal(number)
                    begun.append([])  # the step that is under way comes to its end

    with pytest.raises(SystemExit) as end:
        train()
    assert end.value.code == 128 + number
    assert signal.getsignal(number) is before
    state = json.loads((tmp_path / "state.json").read_text())
    assert begun[:4] + taken(GRAPH.iterate(seed=1, state=state)) == whole
    assert begun[4:] == [[]]


def test_who_waits_for_a_batch_is_woken() -> None:
    go = threading.Event()
    begun: list[list[int]] = []
    states: list[Any] = []

    def slow(batch: Any) -> Any:
        if 5 in batch["x"]:
            go.wait(60)
        return batch

    graph = fl.rows({"x": np.arange(8)}) >> fl.batch(2) >> fl.map(slow, workers=1)

    def preempt(batches: Any) -> None:
        while len(begun) < 2 or not batches.reader_waits():
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGTERM)
        go.set()  # the run is left, and waits for its calls

    def train() -> None:
        with graph.iterate() as batches, fl.on_preempt(batches, states.append) as going:
            helper = threading.Thread(target=preempt, args=(batches,))
            helper.start()
            for batch in going:
                begun.append(batch["x"].tolist())  # noqa: PERF401 - the helper looks on
            helper.join()

    with pytest.raises(SystemExit):
        train()
    assert begun[:2] == [[0, 1], [2, 3]]
    assert states[0]["delivered"] == {"out": len(begun)}


def test_without_a_signal_nothing_happens(tmp_path: Path) -> None:
    with GRAPH.iterate(seed=1) as batches, fl.on_preempt(batches, tmp_path / "state.json") as going:
        assert len(list(going)) == 10
    assert not list(tmp_path.iterdir())


def test_an_error_stays_the_readers_own(tmp_path: Path) -> None:
    def train() -> None:
        with GRAPH.iterate(seed=1) as batches, fl.on_preempt(batches, tmp_path / "state.json") as going:
            for _ in going:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert not list(tmp_path.iterdir())


def test_other_threads_have_no_signals() -> None:
    told: list[str] = []

    def elsewhere() -> None:
        with GRAPH.iterate() as batches, pytest.raises(ValueError, match="the main thread alone") as error:
            fl.on_preempt(batches, "state.json").__enter__()
        told.append(str(error.value))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert told
