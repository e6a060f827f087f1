"""Batches of indices into windows: what they hold, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.blocks import Batch
from flowload.errors import DataError, GraphError
from flowload.stages.windows.sample_within import SampleWithin, SampleWithinStage
from flowload.testing import check_resume, check_stage
from tests.formats.recordings.made import numbers, write_array
from tests.stages.fakes import FakeCall

RING = (np.arange(0, 13, 2), np.array([(k // 2 + 1 + 3 * (k % 2)) % 6 for k in range(12)]))


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """100 rows of 6 neurons."""
    return write_array(tmp_path / "a.zarr", numbers((100, 6)), (8, 6), codec="zstd")


def window(rows: int, start: int = 0) -> Batch:
    return Batch({"a": numbers((rows, 6))}, {"start": np.array(start)})


def test_indices_leave_room_for_the_steps(series: Path) -> None:
    graph = fl.windows(series, 30, count=4) >> fl.sample_within(7, 5)
    with graph.iterate(seed=1) as batches:
        found = list(batches)
        stats = batches.stats()
    assert len(found) == 4 * (30 // 7)
    index = np.concatenate([batch["index"] for batch in found])
    assert index.min() >= 0
    assert index.max() == 24
    assert stats.stages["sample_within"].out == 4 * 4 * 7
    for batch in found:
        start = int(batch["start"])
        sample = batch["a"][batch["index"][:, None] + np.arange(6)]
        np.testing.assert_array_equal(
            sample, numbers((100, 6))[start + batch["index"][:, None] + np.arange(6)]
        )


def test_every_start_is_as_likely() -> None:
    fold = SampleWithin(SampleWithinStage(batch=4000, steps=5))
    (batch,) = fold.push(window(4010), FakeCall(seed=3))
    counts = np.bincount(batch.arrays["index"] * 5 // 4005, minlength=5)
    assert counts.tolist() == pytest.approx([800] * 5, abs=100)


def test_neurons_are_chosen_ones_and_their_neighbours(series: Path) -> None:
    graph = fl.windows(series, 20, count=3) >> fl.sample_within(4, 2, neurons=2, graph=RING)
    with graph.iterate() as batches:
        sets = [batch["neurons"].tolist() for batch in batches]
    assert len({tuple(each) for each in sets}) > 3
    indptr, indices = RING
    closed = {
        tuple(sorted({a, b, *indices[indptr[a] : indptr[a + 1]], *indices[indptr[b] : indptr[b + 1]]}))
        for a in range(6)
        for b in range(6)
        if a != b
    }
    assert all(tuple(each) in closed for each in sets)


def test_all_batches_of_a_window_share_it(series: Path) -> None:
    graph = fl.windows(series, 20, count=3) >> fl.sample_within(4, 2) >> fl.to_device("cpu")
    with graph.iterate() as batches:
        found = [(batch["a"].data_ptr(), int(batch["start"])) for batch in batches]
    assert len({start for _, start in found}) <= 3
    for k in range(0, 15, 5):
        assert len({address for address, _ in found[k : k + 5]}) == 1


def test_the_number_of_batches_can_be_said(series: Path) -> None:
    plan = fl.epoch_plan(100, 30, 7, passes=2)
    graph = fl.windows(series, 30, count=plan.chunks_per_epoch) >> fl.sample_within(
        7, 3, per_window=plan.batches_per_chunk
    )
    with graph.iterate() as batches:
        assert sum(1 for _ in batches) == plan.chunks_per_epoch * plan.batches_per_chunk


def test_the_last_window_may_be_too_short_and_a_recording_may_not(series: Path) -> None:
    graph = fl.windows(series, 48, order="sequential") >> fl.sample_within(4, 6)
    with graph.iterate() as batches:
        assert len(list(batches)) == 24
        assert batches.stats().stages["sample_within"].dropped == {"last window too short": 4}
    graph = fl.windows(series, 1000, count=2) >> fl.sample_within(4, 100)
    with pytest.raises(DataError, match="recording too short; found 100 rows"), graph.iterate() as batches:
        next(batches)
    graph = fl.windows(series, 1000, count=2) >> fl.sample_within(4, 100, on_error="skip")
    with graph.iterate() as batches:
        assert list(batches) == []
        assert batches.stats().stages["sample_within"].dropped == {"recording too short": 200}


@pytest.mark.parametrize("how", [{}, {"neurons": 2, "graph": RING}])
def test_the_exam(how: dict[str, Any]) -> None:
    blocks = [window(20), window(15, 20), window(3, 40)]
    stage = fl.sample_within(4, 3, **how)
    assert check_stage(stage, blocks)
    assert check_resume(stage, blocks)


def test_the_same_batches_for_any_number_of_workers(series: Path) -> None:
    graph = fl.windows(series, 30, count=6) >> fl.sample_within(5, 5, neurons=1, graph=RING)
    told = []
    for cpus in (1, 4):
        with graph.iterate(seed=7, epochs=2, cpus=cpus) as batches:
            told.append([(b["index"].tobytes(), b["neurons"].tobytes(), b["a"].tobytes()) for b in batches])
    assert told[0] == told[1]


def test_bad_parameters_are_told_early(series: Path) -> None:
    for wanted, how in (
        ("batch is 0", {"batch": 0, "steps": 1}),
        ("steps is -1", {"batch": 1, "steps": -1}),
        ("neurons and graph go together", {"batch": 1, "steps": 1, "neurons": 2}),
        ("neurons is 7; the graph has 6", {"batch": 1, "steps": 1, "neurons": 7, "graph": RING}),
        ("per_window is 0", {"batch": 1, "steps": 1, "per_window": 0}),
    ):
        with pytest.raises(GraphError, match=wanted):
            fl.sample_within(**how)
    for wanted, stage in (
        ("raise size above 30", fl.sample_within(4, 30)),
        ("batch is 31, more than the 30 rows", fl.sample_within(31, 3)),
    ):
        graph = fl.windows(series, 30) >> stage
        with pytest.raises(GraphError, match=wanted), graph.iterate() as batches:
            next(batches)


def test_a_graph_of_other_neurons_is_told(series: Path) -> None:
    graph = fl.windows(series, 30, neurons=5) >> fl.sample_within(4, 3, neurons=1, graph=RING)
    wanted = r"other neurons than the graph's; found 'a' has shape \[30, 5\]; wanted the graph's 6 neurons"
    with pytest.raises(DataError, match=wanted), graph.iterate() as batches:
        next(batches)


def test_a_map_keeps_what_goes_with_the_whole(series: Path) -> None:
    def centred(batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "a": batch["a"] - 1}

    graph = fl.windows(series, 30, count=2) >> fl.map(centred) >> fl.to_device("cpu")
    with graph.iterate() as batches:
        for batch in batches:
            assert isinstance(batch["start"], torch.Tensor)
            assert batch["a"][0, 0] == numbers((100, 6))[int(batch["start"]), 0] - 1
