"""A process that is killed at any moment, also while it writes a state, leaves one that goes on exactly."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.testing.content import difference
from flowload.testing.resume_runs import as_often_as_can_be, read
from tests.runtime.state.graphs import GRAPHS
from tests.suite.warm import forks_of, start_warm

CODE = """\
import sys
import flowload as fl
from flowload.testing.resume_runs import as_often_as_can_be
from tests.runtime.state.graphs import GRAPHS
with as_often_as_can_be(), GRAPHS[sys.argv[1]]().iterate(seed=3, epochs=2) as run:
    for _ in run:
        fl.save_state(sys.argv[2], run)
        print("saved", flush=True)
"""
IMPORTED = ("flowload", "tests.runtime.state.graphs")


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """The process that forks is there before a test counts what it leaves."""
    forks_of(IMPORTED, ())


def kill_one(name: str, folder: Path, chance: random.Random) -> None:
    """Kill a run behind some of its states, at a moment of its own."""
    if chance.random() < 0.5:  # each state a file of its own; or one over the other
        folder.mkdir()
    code = start_warm("-c", CODE, name, str(folder), modules=IMPORTED, flags=())
    assert code.stdout is not None
    for _ in range(chance.randrange(1, 12)):
        code.stdout.readline()
    for _ in range(chance.randrange(20_000)):  # some time, in which it does whatever comes next
        pass
    code.kill()
    code.communicate()


def check_newest(name: str, whole: list[Any], folder: Path) -> None:
    """The newest whole state goes on exactly."""
    state = fl.load_state(folder)
    assert state is not None
    (done,) = state["delivered"].values()
    with as_often_as_can_be():
        rest = read(GRAPHS[name](), seed=3, epochs=2, state=state)
    assert not difference(whole[done:], rest)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chess", "joined"])
def test_a_killed_run_goes_on(name: str, tmp_path: Path) -> None:
    whole, chance = read(GRAPHS[name](), seed=3, epochs=2), random.Random(7)
    for number in range(2):
        kill_one(name, tmp_path / str(number), chance)
        check_newest(name, whole, tmp_path / str(number))


@pytest.mark.hammer
@pytest.mark.parametrize("seed", range(40))
def test_two_hundred_kills(seed: int, tmp_path: Path) -> None:
    name = ("joined", "both", "molecules", "drawn")[seed % 4]
    whole, chance = read(GRAPHS[name](), seed=3, epochs=2), random.Random(seed)
    for number in range(5):
        kill_one(name, tmp_path / str(number), chance)
        check_newest(name, whole, tmp_path / str(number))


def test_a_state_that_was_cut_short_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = GRAPHS["joined"]()
    with graph.iterate(seed=1) as run:
        next(run)
        fl.save_state(tmp_path, run)
        next(run)
        newest = fl.save_state(tmp_path, run)
    data = newest.read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        newest.write_bytes(data[:size])
        state = fl.load_state(tmp_path)
        assert state is not None
        assert state["delivered"] == {"out": 1}
        assert "a state is left out" in caplog.text
        with pytest.raises(fl.FlowloadError, match=newest.name):
            fl.load_state(newest)
    newest.write_bytes(data)
    state = fl.load_state(tmp_path)
    assert state is not None
    assert state["delivered"] == {"out": 2}
