"""`torch.distributed.checkpoint` saves and loads the place in a stream beside a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError

torch = pytest.importorskip("torch")
dcp = pytest.importorskip("torch.distributed.checkpoint")
StreamState = pytest.importorskip("flowload.adapters.torch").StreamState


pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")


def graph() -> fl.Graph:
    return fl.rows({"x": np.arange(100)}) >> fl.shuffle() >> fl.batch(10)


def taken(batches: Any) -> list[list[int]]:
    return [batch["x"].tolist() for batch in batches]


def test_a_data_set_goes_on(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 1)
    data = graph().as_torch_dataset(seed=1)
    batches = iter(data)
    for _ in range(3):
        next(batches)
    dcp.save(
        {"net": net.state_dict(), "data": StreamState(data)}, checkpoint_id=tmp_path / "run", no_dist=True
    )
    rest = taken(batches)
    other, again = graph().as_torch_dataset(seed=1), torch.nn.Linear(2, 1).state_dict()
    dcp.load({"net": again, "data": StreamState(other)}, checkpoint_id=tmp_path / "run", no_dist=True)
    assert taken(other) == rest
    assert again["weight"].tolist() == net.state_dict()["weight"].tolist()


def test_a_run_goes_on(tmp_path: Path) -> None:
    with graph().iterate(seed=1) as batches:
        for _ in range(4):
            next(batches)
        dcp.save({"data": StreamState(batches)}, checkpoint_id=tmp_path / "run", no_dist=True)
        rest = taken(batches)
    stream = StreamState()
    dcp.load({"data": stream}, checkpoint_id=tmp_path / "run", no_dist=True)
    with graph().iterate(seed=1, state=stream.state) as batches:
        assert taken(batches) == rest


def test_the_state_of_something_else_is_refused() -> None:
    with pytest.raises(GraphError, match="not the state of a stream"):
        StreamState().load_state_dict({"other": "{}"})


def test_a_stream_with_lanes_is_loaded_by_another_number_of_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def graph(rank: int, world: int) -> fl.Graph:
        return fl.rows(120) >> fl.shard(rank, world, lanes=6) >> fl.batch(5)

    with graph(0, 1).iterate() as batches:
        for _ in range(6):
            next(batches)
        dcp.save({"data": StreamState(batches)}, checkpoint_id=tmp_path / "run", no_dist=True)
    monkeypatch.setattr("flowload.adapters.torch_stateful.place", lambda: (2, 3))
    stream = StreamState(graph(2, 3).iterate())
    dcp.load({"data": stream}, checkpoint_id=tmp_path / "run", no_dist=True)
    with graph(2, 3).iterate(state=stream.state) as batches:
        assert next(batches)["index"].tolist() == list(range(32, 62, 6))
