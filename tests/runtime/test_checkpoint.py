"""Stop anywhere, keep a few bytes of JSON, go on elsewhere: nothing twice, nothing lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from flowload.abc.operators import Call, State
from flowload.errors import GraphError
from flowload.graph import Graph, outputs, place
from flowload.runtime.checkpoint import digest, write_state
from tests.runtime.reading import FACES, Face
from tests.runtime.stages import (
    Does,
    Ints,
    Origin,
    Step,
    Yields,
    fan_out,
    flat,
    in_turn,
    ints,
    numbers,
    plus,
    rebatch,
    step,
)


def noisy() -> Graph:
    """A stream in which every value depends on seed, stage and block number."""

    def draw(block: Ints, call: Call) -> Ints:
        return Ints(block.values + call.rng().integers(0, 1000, len(block)) * 100)

    split = numbers(30, 4) >> step(lambda: Does(draw)) >> fan_out("a", "b")
    return [split["a"] >> plus(1), split["b"]] >> in_turn() >> rebatch(5)


class Keeper:
    """Reads so many batches and then takes the state, as JSON."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.got: list[Any] = []
        self.state = ""

    def __call__(self, batch: Any, run: Any) -> bool:
        self.got.append(batch)
        self.state = json.dumps(run.state_dict())
        return len(self.got) != self.most


def cut(face: Face, graph: Graph, most: int, **how: Any) -> tuple[list[int], State]:
    """What `most` batches hold, and the state after them."""
    keeper = Keeper(most)
    face.use(graph, keeper, **how)
    return flat(keeper.got), json.loads(keeper.state)


@pytest.mark.slow
@pytest.mark.parametrize("then", FACES, ids=str)
def test_every_cut_goes_on_exactly(face: Face, then: Face) -> None:
    whole = flat(face.read(noisy(), seed=7, epochs=2))
    assert len(whole) == 60
    for most in range(1, 13):
        begun, state = cut(face, noisy(), most, seed=7, epochs=2)
        assert begun + flat(then.read(noisy(), seed=7, epochs=2, state=state)) == whole


def test_a_run_that_goes_on_can_be_stopped_again(face: Face) -> None:
    got: list[int] = []
    state: State | None = None
    for _ in range(6):
        part, state = cut(face, noisy(), 1, state=state)
        got += part
    assert got == flat(face.read(noisy()))
    assert face.read(noisy(), state=state) == []


def test_a_state_is_small_plain_and_the_same_in_every_process() -> None:
    _, state = cut(FACES[0], numbers(3).named("n"), 2, seed=5)
    _, again = cut(FACES[0], numbers(3).named("n"), 2, seed=5)
    assert json.loads(json.dumps(state)) == state
    # Where the stages stand is a matter of time: it depends on how far they had come when that was asked for.
    timeless = [{key: part for key, part in each.items() if key != "standing"} for each in (state, again)]
    assert timeless[0] == timeless[1]
    assert (state["flowload"], state["seed"], state["delivered"]) == (3, 5, {"out": 2})
    assert len(json.dumps(state)) < 2000


def test_states_of_earlier_versions_are_read(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    old = {"flowload": 1, "graph": digest(numbers(3)), "seed": 0, "delivered": {"out": 1}}
    assert flat(face.read(numbers(3), state=old)) == [1, 2]
    assert "whether data and code are the same is not known" in caplog.text
    later = {**old, "flowload": 2, "first_epoch": 4, "align": True}
    assert flat(face.read(numbers(3), state=later, first_epoch=4, align=True)) == [1, 2]
    with pytest.raises(GraphError, match=r"another graph.*saved by a flowload before"):
        face.read(numbers(4) >> plus(5), state=old)
    assert flat(face.read(numbers(4) >> plus(5), state=old, on_change="accept")) == [6, 7, 8]


def test_a_state_before_the_first_batch_and_one_taken_when_the_run_was_left() -> None:
    run = noisy().iterate()
    whole = flat(noisy().iterate(state=run.state_dict()))
    with run:
        assert run.state_dict()["delivered"] == {"out": 0}
        begun = flat([next(iter(run))])
    assert begun + flat(noisy().iterate(state=run.state_dict())) == whole


@pytest.mark.parametrize(("evens", "odds"), [(0, 0), (1, 0), (0, 1), (3, 3), (4, 3), (10, 10)])
def test_every_output_goes_on_where_it_was(evens: int, odds: int) -> None:
    split = numbers(40, 4) >> fan_out("even", "odd")
    graph = outputs(even=split["even"], odd=split["odd"])
    with graph.iterate() as run, ThreadPoolExecutor(2) as threads:
        even = threads.submit(lambda: [next(run["even"]) for _ in range(evens)])
        odd = threads.submit(lambda: [next(run["odd"]) for _ in range(odds)])
        begun = flat(even.result()), flat(odd.result())
        state = json.loads(json.dumps(run.state_dict()))
    assert state["delivered"] == {"even": evens, "odd": odds}
    with graph.iterate(state=state) as run, ThreadPoolExecutor(2) as threads:
        rest = list(threads.map(lambda name: flat(run[name]), ("even", "odd")))
    assert begun[0] + rest[0] == list(range(0, 40, 2))
    assert begun[1] + rest[1] == list(range(1, 40, 2))


@dataclass(frozen=True, kw_only=True)
class Weighted(Step):
    """A stage with parameters of every kind."""

    number: int = 1
    weights: tuple[float, ...] = (0.5, 0.5)
    table: Any = None
    fn: Any = None


def weighted(**how: Any) -> Graph:
    return numbers(3) >> place(Weighted(make=lambda: [Does(lambda block, _: block)], **how))


def test_what_may_change_between_two_runs() -> None:
    word = digest(weighted())
    assert digest(weighted(workers=3)) == word
    assert digest(weighted(on_error="skip", max_errors=3)) == word


def test_what_may_not_change_between_two_runs() -> None:
    graphs = [
        weighted(),
        weighted(number=2),
        weighted(weights=(0.4, 0.6)),
        weighted(table={"a": 1}),
        weighted(table=np.arange(3)),
        weighted(fn=digest),
        weighted(fn=write_state),
        weighted().named("other"),
        weighted() >> plus(1),
        plus_before(),
    ]
    assert len({digest(graph) for graph in graphs}) == len(graphs)


def plus_before() -> Graph:
    return numbers(3) >> plus(1) >> place(Weighted(make=lambda: [Does(lambda block, _: block)]))


def test_a_state_of_another_run_is_refused(face: Face) -> None:
    _, state = cut(face, weighted(), 1, seed=1)
    with pytest.raises(GraphError, match="the state is of another seed: found 1, wanted 2"):
        face.read(weighted(), seed=2, state=state)
    with pytest.raises(GraphError, match="'step': number was 1, is 2"):
        face.read(weighted(number=2), seed=1, state=state)
    with pytest.raises(GraphError, match="the state is of another format: found 9, wanted 3"):
        face.read(weighted(), seed=1, state={**state, "flowload": 9})
    with pytest.raises(GraphError, match="does not fit the graph's outputs"):
        face.read(weighted(), seed=1, state={**state, "delivered": {"train": 1}})
    with pytest.raises(GraphError, match="does not fit the graph's outputs"):
        face.read(weighted(), seed=1, state={**state, "delivered": {"out": -1}})


@pytest.mark.parametrize(
    "garbage",
    [{}, [], "state", 7, {"flowload": 1}, {"flowload": 1, "graph": "", "seed": 0, "delivered": [1]}],
)
def test_garbage_is_refused(face: Face, garbage: Any) -> None:
    with pytest.raises(GraphError, match="not the state of a run"):
        face.read(numbers(3), state=garbage)


@pytest.mark.parametrize("count", ["many", None, [1], 1.5])
def test_a_count_that_is_none_is_refused(face: Face, count: Any) -> None:
    _, state = cut(face, numbers(3), 1)
    with pytest.raises(GraphError, match="not the state of a run"):
        face.read(numbers(3), state={**state, "delivered": {"out": count}})


def test_a_growing_source_has_no_state(face: Face) -> None:
    def growing() -> Graph:
        return place(Origin(make=lambda: [Yields(lambda _: [ints([1])])], growing=True), name="watch")

    def see(batch: Any, run: Any) -> bool:
        with pytest.raises(GraphError, match="'watch' follows files as they come"):
            run.state_dict()
        return True

    face.use(growing(), see)
    with pytest.raises(GraphError, match="'watch' follows files as they come"):
        face.read(growing(), state={"flowload": 1})


def test_a_stream_that_is_shorter_than_its_state_is_not_an_end(face: Face) -> None:
    _, state = cut(face, numbers(3), 5, epochs=2)
    with pytest.raises(GraphError, match="these are other data, or fewer epochs"):
        face.read(numbers(3), state=state, on_change="accept")
    assert flat(face.read(numbers(3), state=state, epochs=2)) == [2]
