"""Random graphs with lanes, left anywhere, gone on with by random numbers of ranks: one stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowload as fl
from flowload.runtime.state.gather import gathered
from flowload.runtime.state.snapshots import Snapshots
from tests.runtime.lanes.worlds import digest
from tests.runtime.ranks import run_ranks

Draw = Callable[[fl.Graph], fl.Graph]


@dataclass(frozen=True)
class Drawing:
    """Rows, a shard, and stages behind it."""

    rows: int
    shuffled: bool
    lanes: int
    stages: tuple[str, ...]
    size: int

    def of(self, rank: int, world: int) -> fl.Graph:
        """The graph of a rank."""
        rows = fl.rows({"x": np.arange(self.rows)})
        rows = rows >> fl.shuffle() if self.shuffled else rows
        graph = rows >> fl.shard(rank, world, lanes=self.lanes) >> fl.batch(self.size)
        for stage in self.stages:
            graph = STAGES[stage](graph)
        return graph


def noisy(batch: Any, rng: np.random.Generator) -> Any:
    return {"x": np.asarray(batch["x"]) + rng.integers(0, 9, len(batch["x"]))}


def joined(graph: fl.Graph) -> fl.Graph:
    parts = graph >> fl.tee("a", "b")
    return [parts["a"] >> fl.batch(4), parts["b"] >> fl.map(lambda batch: {"x": -batch["x"]})] >> fl.mix(2, 1)


STAGES: dict[str, Draw] = {
    "filter": lambda graph: graph >> fl.filter(lambda batch: batch["x"] % 5 != 2),
    "noise": lambda graph: graph >> fl.map(noisy, random=True),
    "some": lambda graph: (
        graph >> fl.filter(lambda batch: np.full(len(batch["x"]), batch["x"].sum() % 7 != 3))
    ),
    "joined": joined,
    "batch": lambda graph: graph >> fl.batch(3),
    "whole": lambda graph: graph >> fl.batch(5, drop_last=True),
    "device": lambda graph: graph >> fl.to_device("cpu") >> fl.map(lambda batch: {"x": batch["x"].numpy()}),
}


@dataclass
class Reading:
    """What ranks were given, by number in the stream, and the state that they go on from."""

    drawing: Drawing
    how: dict[str, Any]
    found: dict[int, str] = field(default_factory=dict)
    state: Any = None

    @property
    def delivered(self) -> int:
        return 0 if self.state is None else int(self.state["delivered"]["out"])

    def go_on(self, world: int, count: int | None, one: int | None) -> None:
        """Have ranks read on; the state of one of them, or (None) of all."""
        together, since = Barrier(world), self.delivered

        def read(run: Any) -> tuple[list[str], Any]:
            batches = [digest(batch) for batch in (run if count is None else islice(run, count))]
            together.wait(120)  # nobody leaves while others wait for it
            return batches, json.loads(json.dumps(run.state_dict()))

        ranks = run_ranks(
            lambda rank: self.drawing.of(rank, world), world, read, state=self.state, **self.how
        )
        for rank, ((batches, _), _) in enumerate(ranks):
            first = since + (rank - since) % world
            for number, batch in enumerate(batches):
                assert first + world * number not in self.found, "no batch twice"
                self.found[first + world * number] = batch
        states = [state for (_, state), _ in ranks]
        self.state = gathered(states) if one is None else states[one % world]


def check(drawing: Drawing, how: dict[str, Any], changes: list[tuple[int, int, int | None]]) -> None:
    """Change the number of ranks as often as it is said, and read the rest by one rank."""
    ((wanted, _),) = run_ranks(partial(drawing.of, world=1), 1, lambda run: list(map(digest, run)), **how)
    reading = Reading(drawing, how)
    fit = [world for world in range(1, drawing.lanes + 1) if drawing.lanes % world == 0]
    for which, count, one in changes:
        fits = [world for world in fit if not how["align"] or reading.delivered % world == 0]
        reading.go_on(fits[which % len(fits)], count, one)
    reading.go_on(1, None, None)
    assert [reading.found[number] for number in sorted(reading.found)] == wanted
    assert sorted(reading.found) == list(range(len(wanted)))


DRAWINGS = st.builds(
    Drawing,
    rows=st.integers(1, 300),
    shuffled=st.booleans(),
    lanes=st.sampled_from([1, 2, 4, 6]),
    stages=st.lists(st.sampled_from(sorted(STAGES)), max_size=3).map(tuple),
    size=st.integers(1, 9),
)
HOW = st.fixed_dictionaries({"seed": st.integers(0, 3), "epochs": st.integers(1, 3), "align": st.booleans()})
CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 20), st.none() | st.integers(0, 5)), min_size=1, max_size=3
)


@pytest.mark.hammer
@pytest.mark.parametrize("often", [0.0, 3600.0])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawing=DRAWINGS, how=HOW, changes=CHANGES)
def test_ranks_that_come_and_go_make_one_stream(
    drawing: Drawing, how: dict[str, Any], changes: list[tuple[int, int, int | None]], often: float
) -> None:
    before, Snapshots.every = Snapshots.every, often
    try:
        check(drawing, how, changes)
    finally:
        Snapshots.every = before
