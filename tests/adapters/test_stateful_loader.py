"""torchdata's `StatefulDataLoader` over a graph: its state has the graph's, and goes on exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.testing.resume_runs import as_often_as_can_be
from tests.runtime.lanes.worlds import DRAWINGS, digest

stateful = pytest.importorskip("torchdata.stateful_dataloader")

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata's own


def rows() -> fl.Graph:
    return fl.rows({"x": np.arange(60)}) >> fl.shuffle() >> fl.batch(7)


def lanes() -> fl.Graph:
    return DRAWINGS["noisy"](fl.shard(1, 6, lanes=12), 1)


def loader(draw: Any, epochs: int, state: Any = None) -> Any:
    data = draw().as_torch_dataset(seed=3, epochs=epochs, even="allow")
    made = stateful.StatefulDataLoader(data, batch_size=None, num_workers=0)
    if state is not None:
        made.load_state_dict(json.loads(json.dumps(state)))
    return made


def read(loader: Any, iterations: int = 1) -> list[str]:
    return [digest(batch) for _ in range(iterations) for batch in loader]


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "epochs", "every"), [(rows, 2, 1), (lanes, 1, 9)])
def test_it_goes_on_from_every_batch_and_twice(draw: Any, epochs: int, every: int) -> None:
    with as_often_as_can_be():
        whole = read(loader(draw, epochs), 2)
        first = len(whole) // 2
        for place in range(1, first, every):
            begun = loader(draw, epochs)
            batches = iter(begun)
            got = [digest(next(batches)) for _ in range(place)]
            again = loader(draw, epochs, begun.state_dict())
            batches = iter(again)
            more = [digest(next(batches)) for _ in range((first - place) // 2)]
            rest = read(loader(draw, epochs, again.state_dict() if more else begun.state_dict()), 2)
            assert got + more + rest == whole, place


def test_its_state_has_where_stages_stand() -> None:
    with as_often_as_can_be():
        begun = loader(lanes, 1)
        next(iter(begun))
        assert '"standing": {"shared": ' in json.dumps(begun.state_dict())


def test_it_goes_on_between_two_iterations() -> None:
    whole = read(loader(rows, 1), 3)
    begun = loader(rows, 1)
    got = read(begun)
    assert got + read(loader(rows, 1, begun.state_dict()), 2) == whole
