"""Lanes are the same for any number of ranks, and a run goes on with another number of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import GraphError
from tests.runtime.lanes.worlds import (
    DRAWINGS,
    LANES,
    WORLDS,
    going_on,
    interleaved,
    stream,
    whole,
)


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [(1, 4, 12), pytest.param((2, 3, 6), marks=pytest.mark.hammer)])
@pytest.mark.parametrize("name", DRAWINGS)
def test_batch_b_is_the_next_batch_of_lane_b_modulo_v_in_every_world(
    name: str, worlds: tuple[int, ...]
) -> None:
    draw = DRAWINGS[name]
    wanted = list(interleaved(whole(draw, seed=3)))
    assert len(wanted) >= 2 * LANES
    assert len(set(wanted)) == len(wanted)
    for world in worlds:
        assert stream(draw, world, seed=3, cpus=1 + world % 3) == wanted


@pytest.mark.slow
def test_games_of_yolah_in_every_world(tmp_path: Path) -> None:
    from tests.runtime.lanes.worlds import games  # noqa: PLC0415 - packs into a folder of the test's own

    draw = partial(games, packed=tmp_path)
    wanted = list(interleaved(whole(draw)))
    assert len(wanted) >= LANES
    for world in (1, 3, 4):
        assert stream(draw, world) == wanted


@pytest.mark.slow
@pytest.mark.covering
@pytest.mark.parametrize("name", ["chess", "molecules", "noisy"])
@pytest.mark.parametrize("align", [False, True])
def test_passes(name: str, align: bool) -> None:
    draw, order = DRAWINGS[name], {"epochs": 3, "first_epoch": 2, "align": align, "seed": 1}
    one = stream(draw, 1, **order)
    assert stream(draw, 3, **order) == one
    if not align:  # where passes are kept apart, the lanes are cut to each other in every pass
        assert one == list(interleaved(whole(draw, **order)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chess", "molecules", "noisy", "branches"])
def test_a_run_goes_on_with_another_number_of_ranks(name: str) -> None:
    draw = DRAWINGS[name]
    wanted = list(interleaved(whole(draw)))
    steps = [(4, 2), (3, 2), (2, 3), (1, 3), (6, 1), (1, None)]
    found, states = going_on(draw, [(4, 0), *steps], even="allow")
    assert [found[number] for number in range(len(found))] == wanted
    numbers = [state["delivered"]["out"] for state in states]
    assert numbers == [0, 8, 14, 20, 23, 29, len(wanted)]  # also where a step of another world begins midway


@pytest.mark.slow
def test_ranks_end_together_that_went_on_in_the_midst_of_a_step() -> None:
    draw = DRAWINGS["noisy"]
    wanted = stream(draw, 1)
    assert len(wanted) == 12 * 12
    found, (_, _, last, end) = going_on(draw, [(4, 1), (1, 1), (3, None), (1, None)])
    assert last["delivered"] == {"out": 5 + 46 * 3}  # one is left, and is given to who goes on from there
    assert end["delivered"] == {"out": 144}
    assert [found[number] for number in range(len(found))] == wanted
    graph = draw(fl.shard(1, 3, lanes=LANES), 1)
    with graph.iterate(state=last | {"delivered": {"out": 5}}) as batches:  # 7, 10 ... 142: rank 2 has 5, too
        assert len(list(batches)) == 46
    assert batches.stats().stages["to_device"].dropped == {}
    graph = draw(fl.shard(2, 3, lanes=LANES), 1)
    with graph.iterate(state=last | {"delivered": {"out": 5}}) as batches:
        assert len(list(batches)) == 46
    assert batches.stats().stages["to_device"].dropped == {"cut to equal ranks": 6}
    with pytest.raises(GraphError, match=r"5 batches of 'out'.* 3 ranks.*that divides it: 1$"):
        next(draw(fl.shard(1, 3, lanes=LANES), 1).iterate(state=aligned_state(5), align=True))


def aligned_state(count: int) -> Any:
    """The state of a run on one rank, behind so many batches."""
    with DRAWINGS["noisy"](fl.shard(0, 1, lanes=LANES), 1).iterate(align=True) as batches:
        for _ in range(count):
            next(batches)
        return batches.state_dict()


@pytest.mark.slow
def test_a_state_across_passes_and_of_an_ended_run() -> None:
    order: Any = {"epochs": 2, "align": True}
    wanted = stream(DRAWINGS["noisy"], 1, **order)
    half = len(wanted) // 2
    found, _ = going_on(DRAWINGS["noisy"], [(4, half // 4), (2, 2), (4, None), (2, None)], **order)
    assert [found[number] for number in range(len(found))] == wanted


def test_other_lanes_are_another_stream() -> None:
    with DRAWINGS["noisy"](fl.shard(lanes=LANES), 1).iterate() as batches:
        next(batches)
        state = batches.state_dict()
    with pytest.raises(GraphError, match=r"'shard': lanes was 12, is 6"):
        DRAWINGS["noisy"](fl.shard(lanes=6), 1).iterate(state=state)


# --- rows of all lanes in each batch ----------------------------------------------------------------


def across(rank: int, world: int, **options: Any) -> fl.Graph:
    rows = fl.rows({"x": np.arange(1003.0)}) >> fl.shuffle() >> fl.shard(rank, world, lanes=LANES)
    return rows >> fl.batch(24, across_lanes=True, **options)


def steps(world: int, **options: Any) -> list[list[float]]:
    """The rows of each step, in the order of lanes: rank by rank they would be in another."""
    ranks = []
    for rank in range(world):
        with across(rank, world, **options).iterate(seed=5) as batches:
            ranks.append([batch["x"] for batch in batches])
    found = []
    for step in zip(*ranks, strict=True):
        lanes = np.concatenate([rows.reshape(LANES // world, -1) for rows in step])
        order = np.argsort([rank + world * k for rank in range(world) for k in range(LANES // world)])
        found.append(lanes[order].ravel().tolist())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("drop_last", [True, False])
def test_a_batch_across_lanes_has_the_same_rows_in_every_world(drop_last: bool) -> None:
    one = steps(1, drop_last=drop_last)
    assert [len(step) for step in one] == [24] * 41 + [12] * (not drop_last)
    for world in WORLDS[1:]:
        assert steps(world, drop_last=drop_last) == one


def test_a_run_across_lanes_goes_on_in_another_world() -> None:
    one = [sorted(step) for step in steps(1)]
    state: Any = None
    found = []
    for world, count in ((4, 3), (3, 5), (12, 2), (1, 32)):
        ranks = []
        for rank in range(world):
            with across(rank, world).iterate(seed=5, state=state) as batches:
                ranks.append([next(batches)["x"] for _ in range(count)])
                later = batches.state_dict()
        state = later
        found += [sorted(np.concatenate(step).tolist()) for step in zip(*ranks, strict=True)]
    assert found == one
    assert state["delivered"] == {"out": 42}


def trained(world: int) -> list[float]:
    """The losses of a small net whose gradient is the mean over all ranks, as under DDP."""
    weights = np.random.default_rng(0).standard_normal((4, 1)) / 2
    table = np.random.default_rng(1).standard_normal((960, 4))
    data = {"x": table, "y": np.tanh(table @ np.array([[1.0], [-2], [0.5], [0]]))}
    runs = [
        (
            fl.rows(data) >> fl.shuffle() >> fl.shard(r, world, lanes=6) >> fl.batch(48, across_lanes=True)
        ).iterate()
        for r in range(world)
    ]
    losses = []
    for step in zip(*runs, strict=True):
        gradients, parts = [], []
        for batch in step:
            out = np.tanh(batch["x"] @ weights)
            gradients.append(batch["x"].T @ (2 * (out - batch["y"]) * (1 - out**2)) / len(out))
            parts.append(float(np.mean((out - batch["y"]) ** 2)))
        weights = weights - 0.3 * np.mean(gradients, axis=0)
        losses.append(float(np.mean(parts)))
    for run in runs:
        run.__exit__(None, None, None)
    return losses


def test_a_net_has_the_same_losses_with_one_two_and_three_ranks() -> None:
    one = trained(1)
    assert one[-1] < one[0] / 3
    for world in (2, 3):
        np.testing.assert_allclose(trained(world), one, rtol=1e-12)
