"""Lanes that are made elsewhere: the same stream, state and ledger as in one process, whoever dies."""

from __future__ import annotations

import json
import random
import threading
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch  # noqa: F401 - now: it takes seconds, and calls of all workers would wait for it

import flowload as fl
from flowload.errors import ClosedRun, GraphError, ProcessDied
from flowload.runtime.elsewhere.lanes import RemoteLanes
from flowload.sample import sample_path
from flowload.testing.resume_runs import as_often_as_can_be
from tests.runtime.elsewhere.local import Cluster, elsewhere
from tests.runtime.lanes.worlds import DRAWINGS, digest

LANES = 4


def across(shard: fl.Graph, share: int) -> fl.Graph:
    games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> shard >> fl.shuffle_pool(24)
    return games >> fl.unpack() >> fl.reservoir(240) >> fl.batch(24, layout="bits", across_lanes=True)


def uneven(shard: fl.Graph, share: int) -> fl.Graph:
    """Lanes of different lengths: the shortest of all ends the stream."""
    rows = fl.rows({"x": np.arange(1500)}) >> fl.shuffle() >> shard
    return rows >> fl.batch(4) >> fl.filter(lambda batch: batch["x"] % 5 > 0) >> fl.batch(5, drop_last=True)


def drawn(name: str) -> fl.Graph:
    draw = {"across": across, "uneven": uneven, **DRAWINGS}[name]
    return draw(fl.shard(0, 1, lanes=LANES), 1)


def whole(graph: fl.Graph, **how: Any) -> list[str]:
    with graph.iterate(seed=3, **how) as batches:
        return [digest(batch) for batch in batches]


@pytest.mark.parametrize("name", ["sampled", "molecules", "branches", "uneven"])
def test_the_stream_is_that_of_one_process(name: str) -> None:
    graph = drawn(name)
    wanted = whole(graph)
    with elsewhere(graph, 4, seed=3) as batches:
        assert [digest(batch) for batch in batches] == wanted
    assert batches.stats().finished


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"), [("chess", {}), ("noisy", {"epochs": 2, "align": True}), ("across", {})]
)
def test_states_interchange(name: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, by two workers, by four, and back; as JSON, in the midst of rounds."""
    monkeypatch.setattr(RemoteLanes, "every", 0.0)
    graph = drawn(name)
    wanted, found, state = whole(graph, **how), list[str](), None
    with as_often_as_can_be():
        for workers, count in ((0, 5), (2, 9), (4, 6), (0, None)):
            given = {"seed": 3, "state": state, **how}
            run: Any = elsewhere(graph, workers, **given) if workers else graph.iterate(**given)
            with run as batches:
                found += map(digest, batches if count is None else islice(batches, count))
                state = json.loads(json.dumps(batches.state_dict()))
            assert len(state["standing"]["lanes"]) == LANES
            assert batches.state_dict()["standing"]["lanes"].keys() == state["standing"]["lanes"].keys()
    assert found == wanted


@pytest.mark.slow
@pytest.mark.parametrize("every", [0.0, 1000.0])
def test_whoever_dies_is_replaced(every: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it begins, with and without a state to go on from; the number of workers changes twice."""
    monkeypatch.setattr(RemoteLanes, "every", every)
    graph, cluster, rng = drawn("noisy"), Cluster(), random.Random(5)
    found = []
    with elsewhere(graph, 4, cluster=cluster, seed=3, epochs=2, bytes_ahead=1 << 12) as batches:
        for number, batch in enumerate(batches):
            found.append(digest(batch))
            if number % 25 == 7 and cluster.alive:
                rng.choice(cluster.alive).kill()
            if number in (90, 180):
                batches.scale({90: 1, 180: 2}[number])
        assert batches.workers == 2
    assert found == whole(graph, epochs=2)
    assert batches.replaced > 3
    assert not cluster.alive


def test_the_ledger_is_of_all_processes() -> None:
    graph = drawn("chess")
    with graph.iterate(seed=3) as alone:
        for _ in alone:
            pass
    with elsewhere(graph, 2, seed=3) as batches:
        for _ in batches:
            pass
    for name, stage in batches.stats().stages.items():
        wanted = alone.stats().stages[name]
        assert (stage.in_, stage.out, stage.held) == (wanted.in_, wanted.out, wanted.held), name
        assert dict(stage.dropped) == dict(wanted.dropped), name


def test_a_bound_holds_back_what_is_made() -> None:
    """Nobody reads: no more than the bound is asked for, and what came waits."""
    graph, bound = drawn("chess"), 1 << 17
    with elsewhere(graph, 2, seed=3, epochs=None, bytes_ahead=bound) as batches:
        remote, most = batches.remote, 0
        for _, _batch in zip(range(400), batches, strict=False):
            most = max(most, remote.on_way)
        assert 0 < most <= bound


def test_a_bound_below_one_block_is_refused() -> None:
    with (
        elsewhere(drawn("chess"), 2, bytes_ahead=1000) as batches,
        pytest.raises(GraphError, match="bytes_ahead"),
    ):
        next(batches)


def fails(batch: Any) -> Any:
    if batch["x"][0] > 500:
        raise ZeroDivisionError("on purpose")
    return batch


def test_an_error_says_where_it_was_raised() -> None:
    rows = fl.rows({"x": np.arange(1000)}) >> fl.shard(lanes=4)
    graph = rows >> fl.batch(5) >> fl.map(fails).named("mine")
    with elsewhere(graph, 2) as batches, pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        for _ in batches:
            pass
    notes = " ".join(caught.value.__notes__)
    assert "in stage 'mine'" in notes
    assert "in local worker" in notes


def test_workers_that_only_die_end_the_run() -> None:
    class Dying(Cluster):
        def __call__(self, asked: Any) -> Any:
            worker = super().__call__(asked)
            if len(self.workers) > 2:
                worker.kill()
            return worker

    cluster = Dying()
    with elsewhere(drawn("noisy"), 2, cluster=cluster, epochs=None) as batches:
        next(batches)
        cluster.workers[0].kill()
        with pytest.raises(ProcessDied, match="one after the other"):
            for _ in batches:
                pass


def test_what_cannot_be_cut_is_refused() -> None:
    rows = fl.rows({"x": np.arange(100)})
    with pytest.raises(GraphError, match="the graph has none"):
        elsewhere(rows >> fl.batch(5), 1)
    laned = rows >> fl.shard(lanes=4)
    with pytest.raises(GraphError, match=r"by reference.* leave across_lanes=True out"):
        elsewhere(laned >> fl.batch(8, across_lanes=True), 1)
    with pytest.raises(GraphError, match="leave cut= out"):
        elsewhere(drawn("across"), 1, cut="batch")
    with pytest.raises(GraphError, match="cut is 'rows'"):
        elsewhere(laned >> fl.batch(8), 1, cut="rows")
    with pytest.raises(GraphError, match="numbers that can: 1, 2, 4"):
        elsewhere(laned >> fl.batch(8), 3)
    both = laned >> fl.batch(4) >> fl.tee("a", "b")
    with pytest.raises(GraphError, match=r"one output, and this one has a, b.*drop\('b'\)"):
        elsewhere(both, 1)
    with pytest.raises(GraphError, match=r"put 'tee' before fl.batch"):
        elsewhere(both.drop("b"), 1)


@pytest.mark.parametrize("other", ["train", "valid"])
def test_of_several_outputs_one_is_made(other: str) -> None:
    """What is dropped for it is dropped where lanes are made, and counted as in one process."""
    rows = fl.rows({"x": np.arange(240)}) >> fl.shard(lanes=4) >> fl.split(train=0.7, valid=0.3)
    graph = rows.drop(other) >> fl.batch(5)
    with graph.iterate(seed=3) as alone:
        wanted = [digest(batch) for batch in alone]
    with elsewhere(graph, 2, seed=3) as batches:
        assert [digest(batch) for batch in batches] == wanted
    assert wanted
    unused = batches.stats().stages["drop"].dropped
    assert unused == alone.stats().stages["drop"].dropped
    assert unused["unused"] > 0


def test_lanes_may_leave_behind_the_batches() -> None:
    graph = drawn("sampled")
    with elsewhere(graph, 2, cut="batch", seed=3) as batches:
        assert [digest(batch) for batch in batches] == whole(graph)
    assert batches.remote.cut.inside is False


def test_nothing_is_left_when_a_reader_leaves() -> None:
    cluster = Cluster()
    with elsewhere(drawn("noisy"), 2, cluster=cluster, epochs=None) as batches:
        next(batches)
    assert not cluster.alive
    assert not [each for each in threading.enumerate() if each.name.startswith("flowload")]
    with pytest.raises(ClosedRun):
        batches.scale(4)


@pytest.mark.asyncio
async def test_the_asynchronous_face_is_the_same_run() -> None:
    graph = drawn("noisy")
    async with elsewhere(graph, 2, seed=3) as batches:
        found = [digest(batch) async for batch in batches]
        assert batches.workers == 2
    assert found == whole(graph)
