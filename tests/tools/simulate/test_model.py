"""What a cluster reaches, against numbers by hand and a slow obvious twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.errors import DataError
from tools.simulate.cluster import Cluster
from tools.simulate.costs import Costs, StageCost
from tools.simulate.limits import limits
from tools.simulate.steps import run, simulate

#: Ten microseconds of CPU a sample; 100 bytes from files, 2,000 behind `mix`, 30,000 in the end.
COSTS = Costs(
    (
        StageCost("read", 1e-6, 100),
        StageCost("mix", 3e-6, 2_000, alone=True),
        StageCost("batch", 4e-6, 30_000),
    ),
    other=2e-6,
    stored=100.0,
    batch=1000.0,
)
CLUSTER = Cluster(trainers=10, cpus=4, nic=1e9, store=1e7, demand=50_000, transport=0.0)


def test_trainers_that_run_all_of_it() -> None:
    assert limits(COSTS, CLUSTER, None) == pytest.approx(
        {
            "store": 1e7 / 10 / 100,
            "network": 1e9 / 100,
            "CPUs": 4 / 10e-6,
            "one CPU for mix": 1 / 3e-6,
            "device": 50_000,
        }
    )


def test_data_nodes_run_it_up_to_a_cut() -> None:
    nodes = replace(CLUSTER, data_nodes=5, data_cpus=8, data_nic=2e9, transport=1e-9)
    assert limits(COSTS, nodes, "mix") == pytest.approx(
        {
            "store": 1e7 / 10 / 100,
            "data nodes' network in": 5 * 2e9 / 10 / 100,
            "data nodes' CPUs": 5
            * 8
            / 10
            / (5e-6 + 100e-9 + 2e-6),  # 4 and its half of what is outside of stages
            "data nodes' network out": 5 * 2e9 / 10 / 2_000,
            "network": 1e9 / 2_000,
            "CPUs": 4 / (5e-6 + 2e-6),
            "device": 50_000,
        }
    )


def test_what_a_cache_holds_is_not_brought_again_and_whole_objects_are_brought_for_a_part() -> None:
    store = limits(COSTS, CLUSTER, None)["store"]
    half = replace(CLUSTER, cache=CLUSTER.data / 2)
    assert limits(COSTS, half, None)["store"] == pytest.approx(2 * store)
    assert "store" not in limits(COSTS, replace(CLUSTER, cache=2 * CLUSTER.data), None)
    assert limits(COSTS, replace(CLUSTER, amplification=8), None)["store"] == pytest.approx(store / 8)


def test_the_parts_of_a_cut_are_the_whole() -> None:
    for stage in COSTS.stages:
        before, behind, between = COSTS.cut(stage.name)
        assert before + behind == pytest.approx(COSTS.cpu) == 10e-6
        assert between == stage.bytes_out
    with pytest.raises(DataError, match="no such stage"):
        COSTS.cut("bach")


def twin(
    work: list[float], device: float, factors: NDArray[np.float64], ahead: int
) -> tuple[list[float], list[float]]:
    """Batch by batch, rank by rank: when steps begin, and how long devices wait."""
    steps, places, ranks = factors.shape
    done = {(place, rank): 0.0 for place in range(places) for rank in range(ranks)}
    began: list[float] = []
    waits: list[float] = []
    idle = 0.0
    for step in range(steps):
        ready = []
        for rank in range(ranks):
            now = 0.0 if step < ahead else began[step - ahead]
            for place in range(places):
                now = max(now, done[place, rank]) + work[place] * factors[step, place, rank]
                done[place, rank] = now
            ready.append(now)
        began.append(max([idle, *ready]))
        waits.append(began[-1] - idle)
        idle = began[-1] + device
    return began, waits


@given(
    st.lists(st.floats(0.1, 3.0), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 1.0, 2.5]),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_steps_are_those_of_a_slow_twin(
    work: list[float], device: float, ranks: int, ahead: int, jitter: float
) -> None:
    cluster = replace(CLUSTER, trainers=ranks, ahead=ahead, jitter=jitter)
    began, waits = run(work, device, cluster, 30, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    shape = jitter**-2 if jitter else 0.0
    draw = [
        [rng.gamma(shape, 1 / shape, ranks) if jitter else np.ones(ranks) for _ in work] for _ in range(30)
    ]
    wanted = twin(work, device, np.array(draw), ahead)
    np.testing.assert_allclose(began, wanted[0])
    np.testing.assert_allclose(waits, wanted[1], atol=1e-9)


def test_without_jitter_it_is_the_lowest_limit() -> None:
    for demand in (None, 5_000.0, 50_000.0):
        cluster = replace(CLUSTER, jitter=0.0, demand=demand)
        found = simulate(COSTS, cluster, steps=200)
        assert found.rate == pytest.approx(found.ceiling) == pytest.approx(10 * min(demand or 1e9, 10_000.0))
        assert found.bound == ("device" if demand == 5_000 else "store")
        assert found.pass_seconds == pytest.approx(100e12 / 100 / found.rate)
    assert simulate(COSTS, replace(CLUSTER, jitter=0.0, demand=5_000.0)).waited == pytest.approx(
        0.0, abs=1e-3
    )
    assert simulate(COSTS, replace(CLUSTER, jitter=0.0, demand=20_000.0)).waited == pytest.approx(
        0.5, rel=1e-3
    )


def test_more_ranks_wait_for_the_slowest_and_batches_ahead_help() -> None:
    tight = replace(CLUSTER, demand=10_000.0, jitter=0.5, ahead=1)  # as fast as the data come
    shares = [
        simulate(COSTS, replace(tight, trainers=ranks, store=1e6 * ranks), steps=600).waited
        for ranks in (1, 8, 64)
    ]
    assert shares == sorted(shares)
    assert shares[2] > shares[0] + 0.1
    assert simulate(COSTS, replace(tight, ahead=16), steps=600).waited < shares[1]
