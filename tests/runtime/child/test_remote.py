"""A run in a process of its own: the same batches, state, errors and statistics; nothing is left of it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import ClosedRun, GraphError, MissingExtra
from flowload.observe.trace import Trace
from flowload.sample import sample_path
from flowload.tracebacks import failing_line
from tests.runtime.child import functions

ROOT = Path(__file__).parents[3]


def numbers(count: int = 40, size: int = 4) -> fl.Graph:
    return fl.rows({"x": np.arange(count)}) >> fl.batch(size)


def shuffled() -> fl.Graph:
    return fl.rows({"x": np.arange(40)}) >> fl.shuffle() >> fl.batch(4)


def chess() -> fl.Graph:
    games = fl.discover(sample_path("chess") / "*.tar") >> fl.read("lc0") >> fl.shuffle_pool(8) >> fl.unpack()
    return games >> fl.reservoir(300) >> fl.batch(256) >> fl.to_device("cpu")


def copies(batches: Any) -> list[dict[str, Any]]:
    return [{key: np.asarray(value).copy() for key, value in batch.items()} for batch in batches]


def same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.slow
@pytest.mark.parametrize("graph", [shuffled, chess])
def test_batches_and_states_are_those_of_a_run_in_this_process(graph: Any) -> None:
    with graph().iterate(seed=3, epochs=2) as batches:
        wanted = copies(batches)
    with graph().iterate(seed=3, epochs=2, process=True) as batches:
        first = [next(batches) for _ in range(3)]
        kinds = {key: type(value) for key, value in first[0].items()}
        state, epoch = batches.state_dict(), batches.epoch
        rest = copies(batches)
        stats = batches.stats()
    same(copies(first) + rest, wanted)
    assert epoch == 0
    assert batches.epoch == 1
    assert stats.finished
    assert stats.blocks_delivered == len(wanted)
    with graph().iterate(seed=3, epochs=2, state=state, cpus=1) as batches:
        assert {key: type(value) for key, value in next(batches).items()} == kinds
        same(copies(batches), wanted[4:])
    with graph().iterate(seed=3, epochs=2, state=state, process=True) as batches:
        same(copies(batches), wanted[3:])
        with pytest.raises(ClosedRun, match="is read once"):
            next(batches)
    assert batches.state_dict()["delivered"] == {"out": len(wanted)}


@pytest.mark.slow
def test_outputs_are_read_in_turn_and_in_threads() -> None:
    left, right = (fl.rows({"x": np.arange(n)}) >> fl.batch(2) for n in (8, 30))
    graph = fl.outputs(left=left, right=right)
    found: dict[str, list[int]] = {"left": [], "right": []}
    with graph.iterate(process=True) as batches:
        found["left"] += next(batches["left"])["x"].tolist()

        def read(name: str) -> None:
            for batch in batches[name]:
                found[name] += batch["x"].tolist()

        threads = [threading.Thread(target=read, args=(name,)) for name in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {"left": list(range(8)), "right": list(range(30))}


def wide() -> fl.Graph:
    """Batches of 1 MiB."""
    return fl.rows({"x": np.arange(1 << 20).reshape(1 << 8, 1 << 12)}) >> fl.batch(32)


def first_of(number: int) -> int:
    """The first number of a batch of `wide`."""
    return (number * 32 << 12) % (1 << 20)


@pytest.mark.slow
def test_batches_that_are_held_stay_and_memory_is_used_again() -> None:
    batches: Any
    with wide().iterate(epochs=None, process=True) as batches:
        held = [next(batches) for _ in range(20)]
        assert [batch["x"][0, 0] for batch in held] == [first_of(number) for number in range(20)]
        made = batches.stats().buffers_made
        last = held[-1]
        del held
        for _ in range(100):
            next(batches)
        inbox = batches._connection.inboxes["out"]
        inbox.tell()
        assert len(inbox.memory.loans) <= 2, "what nobody looks at was given back"
        assert batches.stats().buffers_made <= made + inbox.ahead
        assert last["x"][0, 0] == first_of(19)
    assert (last["x"] == np.arange(first_of(19), first_of(19) + (32 << 12)).reshape(32, -1)).all()


@pytest.mark.slow
def test_what_was_taken_is_counted_when_the_run_is_left() -> None:
    with numbers(4000).iterate(process=True) as batches:
        for _ in range(5):
            next(batches)
    assert batches.stats().blocks_delivered == 5
    assert batches.state_dict()["delivered"] == {"out": 5}


@pytest.mark.slow
def test_pages_go_with_the_run_but_for_those_that_are_held() -> None:
    batches: Any
    with wide().iterate(process=True) as batches:
        held = next(batches)["x"][5:6]
        next(batches)
        file = os.dup(batches._connection.file.fd)
        assert os.fstat(file).st_blocks * 512 >= 2 << 20
    assert held[0, :3].tolist() == [5 << 12, (5 << 12) + 1, (5 << 12) + 2]
    assert 1 << 20 <= os.fstat(file).st_blocks * 512 < 1.5 * (1 << 20), "one batch"
    os.close(file)


@pytest.mark.slow
def test_memory_that_is_too_small_is_let_go() -> None:
    graph = numbers(32) >> fl.map(functions.grows)
    batches: Any
    with graph.iterate(process=True) as batches:
        for number, batch in enumerate(batches):
            assert batch["x"].shape == (4, 1 << (4 * number // 2))
            assert (batch["x"] == np.arange(4 * number, 4 * number + 4)[:, None]).all()
            del batch


@pytest.mark.slow
def test_an_error_is_the_users_with_its_stage_and_line() -> None:
    with (numbers() >> fl.map(functions.divides)).iterate(process=True) as batches:
        assert next(batches)["x"].tolist() == [0, 1, 2, 3]
        with pytest.raises(ArithmeticError, match="4 samples") as caught:
            next(batches)
        place = failing_line(caught.value)
        assert place is not None
        assert place[0].startswith(functions.__file__)
        assert any("in stage 'map'" in note for note in caught.value.__notes__)
        with pytest.raises(ArithmeticError):
            next(batches)
    outcome = batches.stats().outcome
    assert outcome is not None
    assert outcome.kind == "failed"


@pytest.mark.slow
def test_what_is_wrong_with_a_run_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="process is 1; wanted True or False"):
        numbers().iterate(process=1)  # type: ignore[arg-type]
    graph = fl.discover(tmp_path / "*.tar") >> fl.read("lc0") >> fl.unpack() >> fl.batch(4)
    with pytest.raises(fl.FlowloadError), graph.iterate(process=True) as batches:
        next(batches)
    lock = threading.Lock()
    pytest.importorskip("cloudpickle")
    with pytest.raises(GraphError, match=r"iterate\(process=True\): .* cannot be taken to another process"):
        (numbers() >> fl.map(lambda batch: (lock, batch)[1])).iterate(process=True)


@pytest.mark.slow
def test_functions_of_scripts_are_taken_along_by_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cloudpickle")
    factor = 3
    graph = numbers(8) >> fl.map(lambda batch: {"x": batch["x"] * factor})
    with graph.iterate(process=True) as batches:
        assert [batch["x"].sum() for batch in batches] == [18, 66]
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(MissingExtra, match=r"flowload\[processes\]"):
        graph.iterate(process=True)


@pytest.mark.slow
def test_what_is_logged_and_warned_of_there_is_heard_here(caplog: pytest.LogCaptureFixture) -> None:
    graph = numbers(8) >> fl.map(functions.tells)
    # The warning is given by the thread that listens, within these blocks: the run ends in them.
    with (
        pytest.warns(UserWarning, match="of a user"),
        caplog.at_level(logging.INFO),
        graph.iterate(process=True) as batches,
    ):
        assert len(copies(batches)) == 2
    assert [each.getMessage() for each in caplog.records if each.name == "of.a.user"] == ["a batch of 4"] * 2


@pytest.mark.slow
def test_a_run_is_watched_traced_and_asked_who_does_what() -> None:
    trace = Trace()
    batches: Any = shuffled().iterate(epochs=None, process=True)
    batches.record(trace)
    with batches, fl.watch(batches) as page:
        for _ in range(5):
            next(batches)
        assert batches.recording is trace
        page.look()
        assert "samples" in batches._repr_mimebundle_()["text/plain"]
        assert batches.dump().lines()
        batches.record(None)
        stopped: Any = batches.recording
    assert stopped is None
    groups = {each.track.group for each in trace.slices}
    assert groups
    assert batches.stats().stages["batch"].out >= 20
    with pytest.raises(GraphError, match="leave process=True out"):
        batches.tap({})
    with pytest.raises(ClosedRun, match="was left"):
        next(batches)


@pytest.mark.slow
def test_a_fork_of_the_reader_is_told_so() -> None:
    batches: Any
    with numbers().iterate(process=True) as batches:
        next(batches)
        batches._owner += 1
        with pytest.raises(ClosedRun, match="used in its fork"):
            next(batches)
        batches._owner -= 1
