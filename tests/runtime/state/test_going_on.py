"""A state taken anywhere goes on exactly: the rest is bit for bit what it would have been."""

from __future__ import annotations

import json
import logging
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.errors import DataError
from flowload.runtime.state.snapshots import Snapshots
from flowload.testing.resume_runs import as_often_as_can_be, check_runs
from tests.runtime.state.graphs import GRAPHS
from tests.suite.warm import forks_of, start_warm

PASSES: dict[str, dict[str, Any]] = {
    "across passes": {"epochs": 3},
    "passes apart": {"epochs": 2, "align": True},
    "from the third pass": {"epochs": 2, "first_epoch": 2},
}


@pytest.fixture(scope="module", autouse=True)
def opened() -> None:
    """What libraries open for the whole process, such as zarr its loop, is open before a test counts."""
    with GRAPHS["neural"]().iterate() as run:
        next(run)
    forks_of(("flowload",), ())


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_from_every_batch(name: str) -> None:
    """Twice in a row, as JSON and from a file, with other numbers of CPUs."""
    assert check_runs(GRAPHS[name](), seed=3) > 5


@pytest.mark.slow
@pytest.mark.covering
@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("name", GRAPHS)
def test_over_several_passes(name: str, passes: str) -> None:
    assert check_runs(GRAPHS[name](), seed=3, cuts=2, **PASSES[passes]) >= 3


AGAIN = """\
import sys
import numpy as np
import flowload as fl
from flowload.testing.resume_runs import as_often_as_can_be
from tests.runtime.state.graphs import GRAPHS
from tests.runtime.state.test_going_on import by_name
graph, state = GRAPHS[sys.argv[1]](), fl.load_state(sys.argv[2])
with as_often_as_can_be(), graph.iterate(seed=3, state=state, cpus=3) as run:
    np.savez(sys.argv[3], **by_name(run))
"""


def by_name(batches: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of some batches, by the number of the batch and their own name."""
    return {f"{k}.{key}": np.array(value) for k, b in enumerate(batches) for key, value in b.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chess", "molecules", "joined"])
def test_in_another_process(name: str, tmp_path: Path) -> None:
    saved, out = tmp_path / "run.state", tmp_path / "rest.npz"
    with as_often_as_can_be(), GRAPHS[name]().iterate(seed=3, cpus=1) as run:
        next(run)
        next(run)
        fl.save_state(saved, run)
        rest = list(run)
    process = start_warm("-c", AGAIN, name, str(saved), str(out), modules=("flowload",), flags=())
    assert process.communicate()[1] in ("", None)
    assert process.returncode == 0
    with np.load(out) as again:
        wanted = by_name(rest)
        assert sorted(again) == sorted(wanted)
        for key, value in wanted.items():
            assert again[key].tobytes() == value.tobytes(), key


def test_what_was_delivered_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Snapshots, "every", 3600.0)  # no part is saved: all of the stream is made again
    calls: list[int] = []

    def seen(batch: dict[str, Any]) -> dict[str, Any]:
        calls.append(int(batch["x"][0]))
        return batch

    graph = fl.rows({"x": np.arange(1000)}) >> fl.shuffle() >> fl.batch(10) >> fl.map(seen, workers=1)
    with graph.iterate(seed=1) as run:
        whole = [next(run)["x"].tolist() for _ in range(60)]
        state = run.state_dict()
        whole += [batch["x"].tolist() for batch in run]
    calls.clear()
    with graph.iterate(seed=1, state=state, on_change="accept") as run:
        rest = [batch["x"].tolist() for batch in run]
        stage = run.stats().stages["map"]
    assert rest == whole[60:]
    assert calls == [rows[0] for rows in whole[-len(calls) :]]
    assert len(calls) in (40, 41)  # the last batch once more, where the next had not come yet
    assert (stage.in_, stage.out) == (1000, 1000)  # the ledger is that of the whole stream


def test_the_ledger_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Snapshots, "every", 0.0)
    graph = GRAPHS["joined"]()
    with graph.iterate(seed=2) as run:
        for _ in range(5):
            next(run)
        state = run.state_dict()
        list(run)
        whole = run.stats()
    with graph.iterate(seed=2, state=state) as run:
        list(run)
        again = run.stats()
    for name, stage in whole.stages.items():
        other = again.stages[name]
        assert (other.in_, other.out, other.dropped) == (stage.in_, stage.out, stage.dropped), name


class Sums:
    """A fold that cannot be written down."""

    def __init__(self) -> None:
        self.total = 0

    def push(self, block: fl.Batch, call: Call) -> Iterator[fl.Batch]:
        self.total += int(block["x"].sum())
        yield fl.Batch({"x": block["x"] + self.total})

    def flush(self, call: Call) -> Iterator[fl.Batch]:
        return iter(())


@pytest.mark.slow
def test_a_fold_without_a_state_is_made_again_from_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    graph = fl.rows({"x": np.arange(300)}) >> fl.shuffle() >> fl.batch(7) >> fl.fold(Sums) >> fl.batch(5)
    with caplog.at_level(logging.WARNING, logger="flowload"):
        assert check_runs(graph, seed=1, cuts=4) >= 4
    told = "makes its stream again from the beginning: 'fold' is a fold that has no state()"
    assert told in caplog.text
    with as_often_as_can_be(), graph.iterate() as run:
        list(run)
        assert "'fold' is a fold" in (run.state_cost().begins_anew or "")


class Halves:
    """A fold without memory, as a queue of copies is: two blocks of each."""

    memoryless = True
    held = 0

    seen: ClassVar[list[int]] = []

    def push(self, block: fl.Batch, call: Call) -> Iterator[fl.Batch]:
        self.seen.append(int(block["x"][0]))
        half = len(block) // 2
        yield block.select(np.arange(half))
        yield block.select(np.arange(half, len(block)))

    def flush(self, call: Call) -> Iterator[fl.Batch]:
        return iter(())


@pytest.mark.slow
@pytest.mark.parametrize("passes", [{}, *PASSES.values()], ids=["one pass", *PASSES])
def test_folds_without_memory_are_given_nothing_again(passes: dict[str, Any]) -> None:
    batches = fl.rows({"x": np.arange(240)}) >> fl.shuffle() >> fl.batch(12)
    ready = batches >> fl.map(lambda batch: {"x": batch["x"]}) >> fl.fold(Halves)
    graph = ready >> fl.map(lambda batch: {"x": -batch["x"]})
    assert check_runs(graph, seed=1, cuts=8, on_change="accept", **passes) >= 8
    with graph.iterate(seed=1, on_change="accept", **passes) as run:
        for _ in range(21):
            next(run)
        state = run.state_dict()
    Halves.seen.clear()
    with graph.iterate(seed=1, state=state, on_change="accept", **passes) as run:
        rest = len(list(run))
    assert len(Halves.seen) in ((rest + 1) // 2, (rest + 1) // 2 + 1)


def positions(rate: float = 1.0, **how: Any) -> fl.Graph:
    chunks = fl.discover(fl.sample.sample_path("chess")) >> fl.read("lc0") >> fl.unpack(rate=rate)
    return chunks >> fl.reservoir(400, **how) >> fl.batch(128, layout="bits")


@pytest.mark.slow
def test_a_reservoir_says_what_going_on_costs() -> None:
    for payload in (False, True):
        graph = positions(rate=0.25, payload=payload)
        assert check_runs(graph, seed=1, cuts=2, epochs=4) >= 3
        with as_often_as_can_be(), graph.iterate(seed=1, epochs=4) as run:
            for _ in range(16):
                next(run)
            cost = run.state_cost().stages["reservoir"]
        if payload:
            assert cost.records == 0
            assert cost.nbytes >= 10_000
        else:
            assert 0 < cost.records <= 400
            assert cost.nbytes <= cost.records * 16 + 1000
            assert cost.inflates >= cost.records
            assert cost.chunks <= 24


@pytest.mark.slow
def test_records_that_a_map_changes_are_kept_or_made_again(caplog: pytest.LogCaptureFixture) -> None:
    chunks = fl.discover(fl.sample.sample_path("chess")) >> fl.read("lc0") >> fl.unpack()
    same = chunks >> fl.map(lambda frames: frames, gives=fl.blocks.Frames)
    for payload in (False, True):
        caplog.clear()
        graph = same >> fl.reservoir(300, payload=payload) >> fl.batch(256, layout="bits")
        with caplog.at_level(logging.WARNING, logger="flowload"):
            assert check_runs(graph, seed=1, cuts=3) >= 3
        told = "'map' before it may give other records than those of the files; payload=True keeps"
        assert (told in caplog.text) is not payload


def test_a_file_that_lost_its_records_is_named(tmp_path: Path) -> None:
    files = sorted(fl.sample.sample_path("chess").glob("*.tar"))
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    graph = fl.discover(tmp_path) >> fl.read("lc0") >> fl.unpack() >> fl.reservoir(900) >> fl.batch(64)
    with as_often_as_can_be(), graph.iterate(seed=1) as run:
        for _ in range(16):
            next(run)
        state = json.loads(json.dumps(run.state_dict()))
    assert "origin" in state["standing"]["members"]["reservoir"]["state"]
    with tarfile.open(files[0]) as whole, tarfile.open(tmp_path / files[0].name, "w") as less:
        member = whole.getmembers()[0]
        less.addfile(member, whole.extractfile(member))
    with (
        pytest.raises(DataError, match=files[0].name),
        graph.iterate(seed=1, state=state, on_change="accept") as run,
    ):
        list(run)
