"""What would be if stages were others: against simulations in which they are, on a virtual clock."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowload.observe.stats import RunStats
from tests.observe.moments import stage as account
from tests.observe.tandem import Stage, Tandem
from tools.whatif.model import Replay, Trial, what_if

BLOCKS, SAMPLES = 400, 100
COSTS = st.floats(0.2, 5.0)
THREADS = {"kernel": 16}


def simulated(stages: list[Stage]) -> RunStats:
    """What a run of these says of itself; every block of every stage holds as many samples."""
    now = Tandem([replace(stage) for stage in stages], 1e-6, THREADS, cpus=16).run(BLOCKS)
    many = {"blocks_in": now.blocks_delivered, "out": now.delivered}
    return now._replace(stages={s.name: account(s.name, **many) for s in stages})


def trial(stage: Stage, workers: tuple[int, ...] = (1, 2, 3, 4), *, parallel: bool = True) -> Trial:
    """What it costs alone: its cost shared by its workers, whatever their number."""
    replays = tuple(
        Replay(k, parallel, True, stage.cost / k / SAMPLES, stage.cost / SAMPLES, 1.0, 1000) for k in workers
    )
    return Trial(stage.name, f"pipe.py:{len(stage.name)}", None, stage.workers, replays)


def row(costs: list[float], workers: list[int]) -> list[Stage]:
    return [Stage(f"s{k}", cost, many) for k, (cost, many) in enumerate(zip(costs, workers, strict=True))]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.tuples(COSTS, st.integers(1, 3)), min_size=2, max_size=4), st.integers(0, 3))
def test_what_the_whole_would_reach_is_what_a_simulation_reaches(
    rows: list[tuple[float, int]], pick: int
) -> None:
    stages = row([cost for cost, _ in rows], [workers for _, workers in rows])
    found = what_if(simulated(stages), None, [trial(s) for s in stages])
    assert found is not None
    pick %= len(stages)
    prospect = found.prospects[pick]
    assert prospect.best == 4
    for expected, other in (
        (prospect.if_faster, replace(stages[pick], cost=stages[pick].cost / 2)),
        (prospect.if_best, replace(stages[pick], workers=4)),
    ):
        changed = simulated([other if s is stages[pick] else s for s in stages])
        assert expected == pytest.approx(changed.delivered / changed.elapsed, rel=0.1)


def test_the_changes_are_the_best_first_and_each_stands_on_those_before() -> None:
    stages = row([1.0, 8.0, 3.0], [1, 1, 1])
    found = what_if(simulated(stages), None, [trial(s) for s in stages])
    assert found is not None
    assert found.rate == pytest.approx(SAMPLES / 8, rel=0.02)
    # s2 limits what more workers of s1 give, until it has more, too; then s1 is worth one more.
    assert [(change.name, change.workers, change.to) for change in found.changes] == [
        ("s1", 1, 4),
        ("s2", 1, 2),
    ]
    reaches = [change.reach for change in found.changes]
    assert reaches == sorted(reaches)
    after = [replace(s, workers={c.name: c.to for c in found.changes}.get(s.name, 1)) for s in stages]
    done = simulated(after)
    assert reaches[-1] == pytest.approx(done.delivered / done.elapsed, rel=0.1)


def test_a_ceiling_is_what_one_stage_alone_allows() -> None:
    stages = row([1.0, 2.0], [1, 2])
    found = what_if(simulated(stages), None, [trial(s) for s in stages])
    assert found is not None
    first, second = found.prospects
    assert dict(first.ceilings) == pytest.approx({k: 100.0 * k for k in (1, 2, 3, 4)})
    assert second.ceiling == pytest.approx(100.0)
    assert (first.cpu_share, second.cpu_share) == pytest.approx((1 / 3, 2 / 3), rel=0.02)
    assert (first.measured, first.note) == (True, "")


def test_cpus_bound_a_ceiling() -> None:
    stages = row([1.0, 2.0], [1, 2])
    now = simulated(stages)._replace(cpus=2)
    found = what_if(now, None, [trial(s) for s in stages])
    assert found is not None
    assert dict(found.prospects[0].ceilings) == pytest.approx({1: 100, 2: 200, 3: 200, 4: 200})
    assert found.prospects[0].best == 2


def test_workers_that_do_not_help_are_not_asked_for() -> None:
    stages = row([4.0, 1.0], [1, 1])
    one = trial(stages[0])
    stubborn = one._replace(replays=tuple(r._replace(hop=4.0 / SAMPLES) for r in one.replays))
    found = what_if(simulated(stages), None, [stubborn, trial(stages[1])])
    assert found is not None
    assert found.changes == ()
    assert found.prospects[0].best == 1
    assert found.prospects[0].if_best == pytest.approx(found.rate)


def test_a_stage_that_cannot_be_alone_has_the_ceiling_that_it_showed() -> None:
    stages = row([4.0, 1.0], [2, 1])
    trials = [Trial(s.name, "pipe.py:1", None, s.workers, (), "as it ran") for s in stages]
    found = what_if(simulated(stages), None, trials)
    assert found is not None
    assert found.prospects[0].ceiling == pytest.approx(SAMPLES * 2 / 4.0, rel=0.02)
    assert (found.prospects[0].measured, found.prospects[0].note) == (False, "as it ran")
    assert found.changes == ()


def test_blocks_count_where_a_stage_gave_nothing_alone() -> None:
    stages = row([1.0, 2.0], [1, 1])
    per_block = Trial("s0", "pipe.py:1", None, 1, (Replay(1, False, False, 1.0, 1.0, 1.0, 50),))
    found = what_if(simulated(stages), None, [per_block, trial(stages[1])])
    assert found is not None
    assert found.prospects[0].ceiling == pytest.approx(SAMPLES, rel=0.02)


def test_what_shares_a_hop_is_parted_when_its_workers_are_changed() -> None:
    stages = row([1.0, 3.0], [1, 1])
    now = simulated(stages)
    first, second = now.tasks
    together = first._replace(name="s0 > s1", work={**first.work, **second.work}, cpu=first.cpu + second.cpu)
    found = what_if(now._replace(tasks=(together,)), None, [trial(s) for s in stages])
    assert found is not None
    # Together 4 s a block; apart 1 s and 3 / 4 s.
    assert found.prospects[1].if_best == pytest.approx(found.rate * 4, rel=0.02)


def test_cpu_time_is_told_apart_where_stages_share_a_hop() -> None:
    stages = row([1.0, 3.0], [1, 1])
    now = simulated(stages)
    first, second = now.tasks
    together = first._replace(name="s0 > s1", work={**first.work, **second.work}, cpu=second.cpu)
    waits = trial(stages[0])
    waits = waits._replace(replays=tuple(replay._replace(cpu=0.0) for replay in waits.replays))
    found = what_if(now._replace(tasks=(together,)), None, [waits, trial(stages[1])])
    assert found is not None
    assert [one.cpu_share for one in found.prospects] == [0.0, 1.0]


def test_a_stage_that_was_idle_says_so() -> None:
    stages = row([1.0, 2.0], [1, 1])
    now = simulated(stages)
    idle = {**now.stages, "s0": account("s0")}
    found = what_if(now._replace(stages=idle), None, [trial(s) for s in stages])
    assert found is not None
    assert found.prospects[0].ceilings == ()
    assert "nothing came through it" in found.prospects[0].note
    assert found.prospects[1].note == ""


def test_of_nothing_nothing_is_said() -> None:
    stages = row([1.0], [1])
    now = simulated(stages)
    assert what_if(now, now, [trial(stages[0])]) is None
