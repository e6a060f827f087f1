"""States of lanes: where each stands, for the rank that saved it and for any other."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.formats.molecules.packed import PackedMolecules
from flowload.runtime.lanes.rounds import AGAIN
from flowload.runtime.state.gather import gathered
from flowload.sample import sample_path
from flowload.stages.wiring.deal_lanes import DealLanes
from flowload.testing.resume_runs import as_often_as_can_be, check_runs
from tests.runtime.lanes.worlds import DRAWINGS, LANES, digest, stream
from tests.runtime.ranks import run_ranks

PASSES: list[dict[str, Any]] = [{}, {"epochs": 3}, {"epochs": 2, "align": True}]


def across(shard: fl.Graph, share: int) -> fl.Graph:
    rows = fl.rows({"x": np.arange(1003.0)}) >> fl.shuffle() >> shard
    return rows >> fl.batch(24, across_lanes=True) >> fl.to_device("cpu")


@pytest.mark.slow
@pytest.mark.covering
@pytest.mark.parametrize("how", PASSES, ids=["one", "three", "apart"])
@pytest.mark.parametrize("name", ["chess", "molecules", "noisy", "branches", "across"])
def test_a_rank_goes_on_in_its_own_world(name: str, how: dict[str, Any]) -> None:
    """Twice in a row, as JSON and from a file, also in the drain at the end."""
    draw = across if name == "across" else DRAWINGS[name]
    cuts = 16 if name == "noisy" and not how else 4
    graph = draw(fl.shard(1, 3, lanes=LANES), 1)
    assert check_runs(graph, seed=3, cuts=cuts, even="allow", **how) >= 4


def small(shard: fl.Graph, share: int) -> fl.Graph:
    """Small batches, of which a rank with one lane makes many at once."""
    return fl.rows({"x": np.arange(1200.0)}) >> fl.shuffle() >> shard >> fl.batch(3) >> fl.to_device("cpu")


def skipped(shard: fl.Graph, share: int) -> fl.Graph:
    """The same, of which some turn out bad: the rest is cut anew."""
    rows = fl.rows(PackedMolecules(sample_path("molecules"), num_atoms=18)) >> fl.shuffle() >> shard
    return rows >> fl.batch(2, on_error="skip") >> fl.to_device("cpu")


def chosen(shard: fl.Graph, share: int) -> fl.Graph:
    """A function behind the batches, so that lanes come together behind them."""
    rows = fl.rows({"x": np.arange(2400)}) >> fl.shuffle() >> shard >> fl.batch(4)
    return rows >> fl.filter(lambda batch: batch["x"] % 5 != 3) >> fl.batch(3)


SINGLE = {"small": small, "skipped": skipped, "chosen": chosen, "across": across}


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        *(("small", k) for k in range(3)),
        ("skipped", 1),
        ("bucketed", 2),
        ("chosen", 1),
        ("across", 2),
        ("chess", 1),
        ("branches", 2),
    ],
)
def test_a_rank_with_one_lane_goes_on(name: str, passes: int) -> None:
    """Its batches come in bundles, and a state may stand in the midst of one."""
    how = PASSES[passes]
    graph = {**SINGLE, **DRAWINGS}[name](fl.shard(5, LANES, lanes=LANES), 1)
    assert check_runs(graph, seed=3, cuts=3, even="allow", **how) >= 2
    with as_often_as_can_be(), graph.iterate(seed=3, even="allow", **how) as run:
        next(run)
        assert set(run.state_dict()["standing"]["lanes"]) == {"5"}


def worlds(
    draw: Any, steps: list[tuple[int, int | None]], saved: Any = gathered, **how: Any
) -> tuple[list[str], list[Any]]:
    """The stream of runs of several worlds, each from the state of the one before, and their states."""
    found: dict[int, str] = {}
    states: list[Any] = []
    state: Any = None
    for world, count in steps:
        since = 0 if state is None else state["delivered"]["out"]
        ranks = []
        for rank in range(world):
            number = next(b for b in range(since, since + world) if b % world == rank)
            with draw(fl.shard(rank, world, lanes=LANES), 1).iterate(state=state, **how) as run:
                for batch in run if count is None else (next(run) for _ in range(count)):
                    assert number not in found
                    found[number] = digest(batch)
                    number += world
                ranks.append(json.loads(json.dumps(run.state_dict())))
        state = saved(ranks)
        states.append(state)
    return [found[number] for number in range(len(found))], states


def one_of(ranks: list[Any]) -> Any:
    return ranks[-1]


WORLDS = [(4, 3), (2, 4), (3, 3), (1, None)]  #: 12, 20, 29 batches: also in the midst of a round


@pytest.mark.slow
@pytest.mark.covering
@pytest.mark.parametrize("saved", [gathered, one_of])
@pytest.mark.parametrize("how", PASSES, ids=["one", "three", "apart"])
@pytest.mark.parametrize("name", ["chess", "noisy", "branches"])
def test_other_worlds_go_on_exactly(name: str, how: dict[str, Any], saved: Any) -> None:
    """With the parts of all ranks, or of one: then the lanes that are lacking are made again."""
    wanted = stream(DRAWINGS[name], 1, seed=3, **how)
    steps = [(4, 3), (2, 4), (2, 2), (1, None)] if how.get("align") else WORLDS
    with as_often_as_can_be():
        found, states = worlds(DRAWINGS[name], steps, saved, seed=3, even="allow", **how)
    assert found == wanted
    assert set(states[0]["standing"]["lanes"]) == set(
        map(str, range(LANES) if saved is gathered else range(3, LANES, 4))
    )


SINGLE_WORLDS = [(12, 2), (4, 3), (12, 3), (2, 5), (12, 1), (1, None)]  #: the last goes on amidst a round


@pytest.mark.slow
@pytest.mark.parametrize(("name", "passes"), [("small", 1), ("skipped", 0), ("bucketed", 1), ("chosen", 0)])
def test_a_lane_goes_on_alone_and_among_others(name: str, passes: int) -> None:
    """Where it is alone it gives bundles, else batches: both are counted alike."""
    draw, how = {**SINGLE, **DRAWINGS}[name], PASSES[passes]
    wanted = stream(draw, 1, seed=3, even="allow", **how)
    with as_often_as_can_be():
        found, states = worlds(draw, SINGLE_WORLDS, seed=3, even="allow", **how)
    assert found == wanted
    assert [len(state["standing"]["lanes"]) for state in states[:-1]] == [LANES] * 5
    assert states[0]["delivered"] == {"out": 24}


class Through:
    """A fold that lets everything pass."""

    def push(self, block: Any, call: Any) -> list[Any]:
        return [block]

    def flush(self, call: Any) -> list[Any]:
        return []

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any) -> None:
        pass


def seen(calls: list[int]) -> Any:
    """Rows, each batch of which is told when it is made."""

    def tell(batch: Any) -> Any:
        calls.append(int(batch["x"][0]))
        return batch

    def draw(shard: fl.Graph, share: int) -> fl.Graph:
        rows = fl.rows({"x": np.arange(240)}) >> fl.shuffle() >> shard
        return rows >> fl.batch(5) >> fl.map(tell, workers=1) >> fl.to_device("cpu")

    return draw


@pytest.mark.slow
@pytest.mark.parametrize("align", [False, True])
def test_nothing_is_made_again_but_what_was_under_way(align: bool) -> None:
    calls: list[int] = []
    draw, how = seen(calls), {"seed": 1, "align": align, "epochs": 10, "on_change": "accept"}
    wanted = stream(draw, 1, seed=1, align=align, epochs=10)
    with as_often_as_can_be():
        found, (state,) = worlds(draw, [(4, 84)], **how)
        for world in (4, 2, 3, 12):
            calls.clear()
            rest: dict[int, str] = {}
            for rank in range(world):
                with draw(fl.shard(rank, world, lanes=LANES), 1).iterate(state=state, **how) as run:
                    assert run.state_cost().begins_anew is None
                    rest |= {336 + rank + world * k: digest(batch) for k, batch in enumerate(run)}
                    stage = run.stats().stages["map"]
                assert (stage.in_, stage.out) == (2400 // world,) * 2, (
                    "the ledger is that of the whole stream"
                )
            assert found + [rest[number] for number in sorted(rest)] == wanted
            assert len(calls) <= 480 - 336 + 3 * 48  # passes of 48 batches


@pytest.mark.slow
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(("rank", "world"), [(0, 1), (0, 2), (5, 12)], ids=["some", "half", "all"])
def test_lanes_that_a_state_lacks_are_made_again_and_told(
    rank: int, world: int, align: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the state of rank 3 of 4; what is behind the lanes is not: nothing that was delivered is encoded."""
    calls: list[int] = []
    draw, how = seen(calls), {"seed": 1, "epochs": 10, "align": align, "on_change": "accept"}
    wanted = stream(draw, 1, seed=1, epochs=10, align=align)
    with as_often_as_can_be():
        _, (state,) = worlds(draw, [(4, 84)], one_of, **how)
        calls.clear()
        with draw(fl.shard(rank, world, lanes=LANES), 1).iterate(state=state, **how) as run:
            cost = run.state_cost()
            rest = [digest(batch) for batch in run]
            stages = run.stats().stages
            epoch = run.epoch
    assert rest == wanted[336 + rank :: world]
    lanes = range(rank, LANES, world)
    missing = [lane for lane in lanes if lane % 4 != 3]
    told = (
        f"of this rank: {', '.join(map(str, missing))} made again from the beginning; save the state of all"
    )
    assert told in (cost.begins_anew or "")
    assert told in caplog.text
    assert stages["to_device"].in_ == 200 * len(lanes) - len(missing) * 28 * 5
    assert len(calls) <= 40 * len(missing) + (12 + 3 * 4) * (len(lanes) - len(missing))  # 4 batches a pass
    assert stages["map"].dropped == {AGAIN: len(missing) * 28 * 5}
    assert epoch == 9


@pytest.mark.slow
@pytest.mark.covering
@pytest.mark.parametrize("how", PASSES, ids=["one", "three", "apart"])
@pytest.mark.parametrize("name", ["chosen", "small", "skipped"])
def test_lanes_of_different_lengths_are_made_again_as_they_were_cut(name: str, how: dict[str, Any]) -> None:
    """Of each pass that is kept apart as much as the shortest had, also where a lane is alone."""
    draw = {**SINGLE, **DRAWINGS}[name]
    wanted = stream(draw, 1, seed=3, even="allow", **how)
    with as_often_as_can_be():
        found, states = worlds(
            draw, [(4, 12), (12, 1), (3, 4), (12, 1), (1, None)], one_of, seed=3, even="allow", **how
        )
    assert found == wanted
    assert list(states[1]["standing"]["lanes"]) == ["11"]


def chosen_of(world: int, rank: int) -> fl.Graph:
    return chosen(fl.shard(rank, world, lanes=LANES), 1)


@pytest.mark.slow
@pytest.mark.parametrize("saved", [gathered, one_of])
@pytest.mark.parametrize("how", PASSES[:2], ids=["one", "three"])
def test_ranks_that_agree_go_on_where_they_stand(how: dict[str, Any], saved: Any) -> None:
    """A stage behind the shard leaves samples out, so that ranks agree when to end; some make lanes again."""
    found: dict[int, str] = {}
    state: Any = None

    def read(run: Any, count: int | None, together: Barrier) -> tuple[list[str], Any, bool]:
        batches = [digest(batch) for batch in (run if count is None else islice(run, count))]
        together.wait(60)  # nobody leaves while others wait for it
        return batches, json.loads(json.dumps(run.state_dict())), run.begun_run().standing.goes_on

    with as_often_as_can_be():
        for world, count in ((4, 6), (12, 2), (3, 4), (2, 6), (6, None)):
            since = 0 if state is None else state["delivered"]["out"]
            ranks = run_ranks(
                partial(chosen_of, world),
                world,
                partial(read, count=count, together=Barrier(world)),
                seed=3,
                state=state,
                **how,
            )
            for rank, ((batches, _, goes_on), _) in enumerate(ranks):
                first = next(number for number in range(since, since + world) if number % world == rank)
                found |= {first + world * k: batch for k, batch in enumerate(batches)}
                assert goes_on is (since > 0)
            state = saved([each for (_, each, _), _ in ranks])
    assert [found[number] for number in range(len(found))] == stream(chosen, 1, seed=3, **how)


def test_ranks_that_were_cut_to_others_go_on_from_their_end() -> None:
    """What a rank had more was dropped before its reader came to the end; nobody makes the stream again."""

    def read(run: Any) -> tuple[int, Any]:
        return len(list(run)), run.state_dict()

    ranks = run_ranks(partial(chosen_of, 4), 4, read)
    assert any("equal_ranks" in stats.stages and stats.stages["equal_ranks"].dropped for _, stats in ranks)
    state = gathered([each for (_, each), _ in ranks])
    assert len(state["standing"]["lanes"]) == LANES
    again = run_ranks(partial(chosen_of, 2), 2, read, state=state)
    assert [count for (count, _), _ in again] == [0, 0]


@pytest.mark.parametrize(
    ("fold", "how", "told"),
    [
        (True, {}, "'fold' is behind its lanes, and no map"),
        (False, {"align": True}, "ranks agree pass by pass"),
    ],
)
def test_what_cannot_begin_in_the_midst_is_said(
    fold: bool, how: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    def draw(rank: int) -> fl.Graph:
        shard = fl.shard(rank, 2, lanes=4)
        return across(shard, 1) >> fl.fold(Through) if fold else chosen(shard, 1)

    together = Barrier(2)

    def read(run: Any) -> Any:
        next(run)
        together.wait(60)
        return run.state_dict()

    state = run_ranks(draw, 2, read, **how)[0][0]
    run_ranks(draw, 2, read, state=state, **how)
    assert "the stream is made again from its beginning: " in caplog.text
    assert told in caplog.text


def test_what_is_shorter_than_it_was_is_named() -> None:
    how: dict[str, Any] = {"seed": 1, "epochs": 2, "even": "allow"}
    with small(fl.shard(0, 2, lanes=LANES), 1).iterate(**how) as run:
        for _ in range(330):
            next(run)
        state = run.state_dict()
    with (
        pytest.raises(GraphError, match=r"a lane of 'batch.0' had 21 more batches when the state was taken"),
        small(fl.shard(1, 2, lanes=LANES), 1).iterate(
            state=state, on_change="accept", **how | {"epochs": 1}
        ) as run,
    ):
        list(run)


def test_the_parts_of_all_ranks_say_what_one_of_them_lacks() -> None:
    def states(**own: Any) -> list[Any]:
        with DRAWINGS["noisy"](fl.shard(0, 2, lanes=LANES), 1).iterate() as run:
            state = run.state_dict()
        return [state, {**state, "standing": {"shared": {}, "lanes": {}, **own}}]

    assert gathered(states(lacks="x", counted=True))["standing"]["counted"]
    found = gathered([*states(lacks="x"), *states(lacks="y", counted=True)])["standing"]
    assert found["lacks"] == "x"
    assert "counted" not in found, "where lanes are one stream something was left out"


def test_states_of_different_steps_are_not_put_together() -> None:
    states = []
    for rank in range(2):
        with DRAWINGS["noisy"](fl.shard(rank, 2, lanes=LANES), 1).iterate() as run:
            for _ in range(3 + rank):
                next(run)
            states.append(run.state_dict())
    with pytest.raises(GraphError, match=r"delivered is {'out': 6}, and {'out': 8}"):
        gathered(states)
    with fl.rows(4).iterate() as run, pytest.raises(GraphError, match=r"where a stream has lanes"):
        gathered([run.state_dict()])


def filtered(shard: fl.Graph, share: int) -> fl.Graph:
    """Lanes that begin with a map, which counts no messages; a block a pass."""
    rows = fl.rows({"x": np.arange(48)}) >> fl.shuffle() >> shard
    return rows >> fl.filter(lambda rows: rows["index"] % 5 != 3) >> fl.batch(2)


@pytest.mark.slow
def test_a_state_that_is_taken_while_lanes_stand_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all lanes share is made again in another world, and drops what they had: there are no cuts."""
    how: dict[str, Any] = {"seed": 3, "even": "allow", "epochs": 40}
    wanted = stream(filtered, 1, **how)
    real, pushed, taken = DealLanes.push, [], []

    def push(self: DealLanes, block: Any, call: Any) -> Any:
        pushed.append(block)
        if len(pushed) == 25:  # of thirty passes; queues are short, so the cuts of ten have come to the end
            taken.append(run.state_dict())
        return real(self, block, call)

    with as_often_as_can_be():
        _, (state,) = worlds(filtered, [(4, 150)], **how)
        with monkeypatch.context() as patch:
            patch.setattr(DealLanes, "push", push)
            with filtered(fl.shard(0, 2, lanes=LANES), 1).iterate(state=state, **how) as run:
                assert digest(next(run)) == wanted[600]
        with filtered(fl.shard(0, 2, lanes=LANES), 1).iterate(state=taken[0], **how) as run:
            assert [digest(batch) for batch in run][: len(wanted[600::2])] == wanted[600::2]
