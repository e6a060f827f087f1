"""A state is JSON, so Orbax keeps it beside the arrays of a training without an adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flowload as fl

ocp = pytest.importorskip("orbax.checkpoint")


@pytest.mark.slow
def test_a_state_in_an_orbax_checkpoint_goes_on_exactly(tmp_path: Path) -> None:
    graph = fl.rows({"x": np.arange(1000)}) >> fl.shuffle() >> fl.batch(64)
    with graph.iterate(seed=0) as batches:
        whole = [batch["x"].copy() for batch in batches]
    with ocp.CheckpointManager(tmp_path / "run") as manager, graph.iterate(seed=0) as batches:
        for _ in range(5):
            next(batches)
        weights = ocp.args.StandardSave({"w": np.arange(4.0)})
        stream = ocp.args.JsonSave(batches.state_dict())
        manager.save(5, args=ocp.args.Composite(weights=weights, stream=stream))
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        parts = ocp.args.Composite(weights=ocp.args.StandardRestore(), stream=ocp.args.JsonRestore())
        loaded = manager.restore(manager.latest_step(), args=parts)
    with graph.iterate(seed=0, state=loaded.stream) as batches:
        rest = [batch["x"].copy() for batch in batches]
    assert len(rest) == len(whole) - 5
    for found, wanted in zip(rest, whole[5:], strict=True):
        np.testing.assert_array_equal(found, wanted)
