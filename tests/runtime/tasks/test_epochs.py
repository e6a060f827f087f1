"""Passes by number, and passes that are kept apart."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Block, Call
from flowload.errors import GraphError
from flowload.graph import Graph, place
from flowload.testing import run_plain
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Folds,
    Ints,
    Modulo,
    Origin,
    Rebatches,
    Yields,
    fan_out,
    flat,
    in_turn,
    ints,
    numbers,
    origin,
    rebatch,
    step,
)


def by_pass(count: int) -> Graph:
    """1000 e + k in pass e."""
    return place(Origin(make=lambda: [Yields(lambda e: (ints([1000 * e + k]) for k in range(count)))]))


def drawing(block: Ints, call: Call) -> Ints:
    return Ints(block.values * 10**6 + call.rng().integers(0, 10**6, len(block)))


async def drawing_async(block: Ints, call: Call) -> Ints:
    return drawing(block, call)


class Draws(Rebatches):
    """A fold whose blocks depend on the number of its call."""

    def push(self, block: Ints, call: Call) -> Iterator[Ints]:
        for made in super().push(block, call):
            yield drawing(made, call)


class Routes(Modulo):
    """A route that sends a block where chance says."""

    def route(self, block: Ints, call: Call) -> dict[str, Block]:
        return {self.ports[int(call.rng().integers(len(self.ports)))]: block}


def test_a_run_begins_at_the_pass_that_it_is_told(face: Face) -> None:
    assert flat(face.read(by_pass(2), first_epoch=3)) == [3000, 3001]
    assert flat(face.read(by_pass(2), first_epoch=3, epochs=2)) == [3000, 3001, 4000, 4001]
    assert flat(face.read(by_pass(1), 3, first_epoch=7, epochs=None)) == [7000, 8000, 9000]


DRAWN: list[Callable[[], Graph]] = [
    lambda: numbers(7) >> step(lambda: Does(drawing)),
    lambda: numbers(7) >> step(lambda: Does(drawing), workers=1) >> step(lambda: Does(drawing), workers=2),
    lambda: numbers(7) >> step(lambda: DoesAsync(drawing_async)),
    lambda: numbers(7) >> step(lambda: Draws(2)) >> step(lambda: Rebatches(3)) >> step(lambda: Does(drawing)),
    lambda: [numbers(5), numbers(7)] >> in_turn() >> step(lambda: Does(drawing)),
    lambda: [numbers(7), numbers(4)] >> in_turn() >> step(lambda: Does(drawing)),
    lambda: (
        [(split := numbers(9) >> fan_out("a", "b"))["a"] >> step(lambda: Does(drawing)), split["b"]]
        >> in_turn()
    ),
    lambda: (
        [(split := numbers(9) >> step(lambda: Routes(["a", "b"]), ports=("a", "b")))["a"], split["b"]]
        >> in_turn()
        >> step(lambda: Does(drawing))
    ),
]


@pytest.mark.parametrize("make", DRAWN)
def test_a_pass_that_is_kept_apart_is_a_run_of_its_own(make: Callable[[], Graph], face: Face) -> None:
    """Whatever is drawn, held, numbered or taken in turn, by maps, folds, routes and turns."""
    whole = [block.values.tolist() for block in face.read(make(), seed=3, epochs=3, align=True)]
    parts = [
        [block.values.tolist() for block in face.read(make(), seed=3, first_epoch=e, align=True)]
        for e in range(3)
    ]
    assert whole == parts[0] + parts[1] + parts[2]
    assert len({json.dumps(part) for part in parts}) == 3  # each pass draws by itself
    assert parts[0] == [block.values.tolist() for block in face.read(make(), seed=3)]


def test_the_first_pass_draws_as_ever_and_others_go_on_counting() -> None:
    """What `run_plain` means by the order of calls; a pass of its own begins where the run begins."""
    graph = DRAWN[3]
    with graph().iterate(seed=3, epochs=3) as batches:
        assert flat(batches) == flat(run_plain(graph(), seed=3, epochs=3))


def test_no_batch_has_samples_of_two_passes(face: Face) -> None:
    graph = by_pass(5) >> rebatch(2)
    mixed = [block.values.tolist() for block in face.read(graph, epochs=2)]
    assert mixed == [[0, 1], [2, 3], [4, 1000], [1001, 1002], [1003, 1004]]
    apart = [block.values.tolist() for block in face.read(graph, epochs=2, align=True)]
    assert apart == [[0, 1], [2, 3], [4], [1000, 1001], [1002, 1003], [1004]]


def test_folds_in_a_row_are_flushed_before_the_next_pass_reaches_them(face: Face) -> None:
    graph = by_pass(5) >> rebatch(3) >> rebatch(2)
    apart = [block.values.tolist() for block in face.read(graph, epochs=2, align=True)]
    assert apart == [[0, 1], [2, 3], [4], [1000, 1001], [1002, 1003], [1004]]


class Sees:
    """Notes the pass that the run says it is in, behind each batch."""

    def __init__(self) -> None:
        self.got: list[tuple[list[int], int]] = []

    def __call__(self, batch: Ints, run: Any) -> bool:
        self.got.append((batch.values.tolist(), run.epoch))
        return True


@pytest.mark.parametrize("first", [0, 4])
def test_a_run_says_which_pass_it_is_in(face: Face, first: int) -> None:
    seen = face.use(by_pass(3) >> rebatch(2), Sees(), epochs=2, first_epoch=first, align=True)
    assert [(values[-1] // 1000, epoch) for values, epoch in seen] == [
        (e, e) for e in (first,) * 2 + (first + 1,) * 2
    ]
    seen = face.use(by_pass(3) >> rebatch(2), Sees(), epochs=2, first_epoch=first)
    assert [epoch for _, epoch in seen] == [first, first + 1, first + 1]  # the pass of the newest sample
    seen = face.use(by_pass(3) >> rebatch(2), Sees(), epochs=3, first_epoch=first)
    assert [epoch - first for _, epoch in seen] == [0, 1, 1, 2, 2]  # what the end flushes is of the last pass


def test_the_pass_of_each_output_and_before_the_first_batch() -> None:
    graph = by_pass(4) >> fan_out("even", "odd")
    with graph.iterate(epochs=2, first_epoch=5) as run:
        even, odd = run["even"], run["odd"]
        assert (even.epoch, odd.epoch) == (5, 5)
        passes = []
        for _ in range(4):
            next(even), next(odd)
            passes.append((even.epoch, odd.epoch))
        assert passes == [(5, 5), (5, 5), (6, 6), (6, 6)]
        with pytest.raises(GraphError, match="several outputs"):
            run.epoch  # noqa: B018 - it raises
    assert by_pass(1).iterate(first_epoch=2).epoch == 2


def test_parts_of_a_bundle_are_of_its_pass() -> None:
    """Small batches travel together."""
    graph = fl.rows(100) >> fl.batch(10)
    with graph.iterate(epochs=3) as batches:
        assert [batches.epoch for _ in batches] == [0] * 10 + [1] * 10 + [2] * 10


def test_a_pass_that_gives_nothing_is_counted() -> None:
    graph = place(Origin(make=lambda: [Yields(lambda e: [ints([e])] if e in (0, 3) else [])]))
    with graph.iterate(epochs=5) as batches:
        assert [(int(batch.values[0]), batches.epoch) for batch in batches] == [(0, 0), (3, 3)]


def test_the_source_goes_on_while_the_last_batches_of_a_pass_are_not_taken(face: Face) -> None:
    """Events, not time: the second pass is asked for before the reader has taken the end of the first."""
    begun = [threading.Event() for _ in range(3)]

    def blocks(e: int) -> Iterator[Ints]:
        begun[e].set()
        return (ints([1000 * e + k]) for k in range(4))

    graph = origin(Yields(blocks)) >> rebatch(4)

    def see(batch: Ints, run: Any) -> bool:
        if batch.values[0] == 0:
            assert begun[1].wait(60)  # nothing of pass 1 was taken
        return True

    if face.backend is None:
        face.use(graph, see, epochs=2, align=True)
        assert begun[1].is_set()
        return

    async def main() -> None:
        async with graph.stream(epochs=2, align=True) as batches:
            assert (await anext(batches)).values.tolist() == [0, 1, 2, 3]
            await anyio.to_thread.run_sync(begun[1].wait, 60)
            assert begun[1].is_set()
            assert (await anext(batches)).values.tolist() == [1000, 1001, 1002, 1003]

    anyio.run(main, backend=face.backend)


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_aligned_run_goes_on_exactly(cut: int) -> None:
    graph = by_pass(7) >> rebatch(2)
    how: dict[str, Any] = {"epochs": 3, "first_epoch": 2, "align": True, "seed": 4}
    with graph.iterate(**how) as batches:
        whole = [(batch.values.tolist(), batches.epoch) for batch in batches]
    with graph.iterate(**how) as batches:
        for _ in range(cut):
            next(batches)
        state = json.loads(json.dumps(batches.state_dict()))
    with graph.iterate(**how, state=state) as batches:
        assert [(batch.values.tolist(), batches.epoch) for batch in batches] == whole[cut:]
    for other, word in (
        ({"first_epoch": 1}, "first_epoch: found 2, wanted 1"),
        ({"align": False}, "align: found True"),
    ):
        with pytest.raises(GraphError, match=f"the state is of another {word}"):
            graph.iterate(**{**how, **other}, state=state)


def test_a_state_knows_where_its_run_began() -> None:
    state = numbers(3).iterate(first_epoch=2).state_dict()
    assert (state["first_epoch"], state["align"]) == (2, False)
    with pytest.raises(GraphError, match="another first_epoch: found 0, wanted 2"):
        numbers(3).iterate(first_epoch=2, state=numbers(3).iterate().state_dict())


def test_the_ledger_closes_pass_by_pass() -> None:
    graph = fl.rows({"x": np.arange(10)}) >> fl.batch(4, drop_last=True)
    with graph.iterate(epochs=3, align=True) as batches:
        assert [len(batch["x"]) for batch in batches] == [4] * 6
        row = batches.stats().stages["batch"]
    assert (row.in_, row.out, dict(row.dropped), row.held) == (30, 24, {"partial batch": 6}, 0)


def test_a_growing_source_has_no_passes_to_keep_apart(tmp_path: Any) -> None:
    graph = fl.discover(tmp_path, watch=True) >> fl.read("lc0") >> fl.unpack() >> fl.batch(2)
    with pytest.raises(GraphError, match="align=True keeps passes apart, and 'discover' follows files"):
        graph.iterate(align=True)


def test_a_flush_is_asked_for_in_every_pass_and_only_then() -> None:
    flushes: list[int] = []

    def flush(call: Call) -> list[Block]:
        flushes.append(call.number)
        return []

    for align, wanted in ((False, 1), (True, 4)):
        flushes.clear()
        with (numbers(2) >> step(lambda: Folds(flush=flush))).iterate(epochs=3, align=align) as batches:
            list(batches)
        assert len(flushes) == wanted
