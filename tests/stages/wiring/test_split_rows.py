"""Rows go one way or another by the hash of their number, or of their group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.blocks import Chunks, Rows
from flowload.errors import GraphError
from flowload.stages.wiring.split import SplitByHash
from flowload.testing import check_resume, check_stage
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of
from tests.suite.warm import run_warm

TWO = (("train", 0.8), ("valid", 0.2))

#: Row numbers that `split(train=0.8, valid=0.2)` sends to "valid", in all versions to come.
GOLDEN = [0, 3, 9, 19, 20, 22, 24, 29, 30, 34, 45, 50, 51, 57, 58]

CODE = """
from tests.stages.wiring.test_split_rows import parts_of
print(parts_of([500])["valid"], parts_of([500], "trio")["valid"])
"""


def parts_of(sizes: Iterable[int], by: str | None = None, salt: int = 0) -> dict[str, list[int]]:
    route = SplitByHash(TWO, salt, by)
    found: dict[str, list[int]] = {"train": [], "valid": []}
    for block in blocks_of(sizes):
        for name, part in route.route(block, FakeCall()).items():
            found[name] += numbers_of([part])
    return found


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.sampled_from([None, "trio"]))
def test_every_row_goes_one_way_whatever_the_blocks(sizes: list[int], by: str | None) -> None:
    parts = parts_of(sizes, by)
    assert parts == parts_of([sum(sizes)], by)
    assert sorted(parts["train"] + parts["valid"]) == list(range(sum(sizes)))
    assert all(rows == sorted(rows) for rows in parts.values())


def test_rows_of_a_group_stay_together() -> None:
    parts = parts_of([3000], "trio")
    groups = {name: {row // 3 for row in rows} for name, rows in parts.items()}
    assert not groups["train"] & groups["valid"]
    assert 0.15 < len(groups["valid"]) / 1000 < 0.25


def test_the_way_of_a_row_is_for_good() -> None:
    assert parts_of([60])["valid"] == GOLDEN


@pytest.mark.slow
def test_another_process_chooses_the_same() -> None:
    done = run_warm("-c", CODE)
    assert done.returncode == 0, done.stderr
    wanted = parts_of([500])["valid"], parts_of([500], "trio")["valid"]
    assert done.stdout.strip() == f"{wanted[0]} {wanted[1]}"


def test_shares_are_what_was_asked_for() -> None:
    """20,000 rows: within five standard deviations."""
    count = len(parts_of([20_000])["valid"])
    assert abs(count - 4000) < 5 * (20_000 * 0.2 * 0.8) ** 0.5


def test_a_second_split_is_independent() -> None:
    both = set(parts_of([20_000])["valid"]) & set(parts_of([20_000], salt=1)["valid"])
    assert abs(len(both) - 800) < 5 * 800**0.5


def test_the_parts_do_not_depend_on_seed_or_pass() -> None:
    def valid(seed: int) -> Counter[int]:
        parts = fl.rows(ToyRecords(300)) >> fl.shuffle() >> fl.split(by="trio", train=0.8, valid=0.2)
        graph = fl.outputs(parts["train"].drop(), valid=parts["valid"] >> fl.batch(50))
        with graph.iterate(seed=seed, epochs=2) as run:
            return Counter(numbers_of(run["valid"]))

    assert valid(0) == valid(1) == dict.fromkeys(parts_of([300], "trio")["valid"], 2)


@pytest.mark.slow
def test_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 9)
    monkeypatch.setattr("flowload.stages.rows.shuffle.EXACT", 8)
    for by in (None, "trio"):
        graph = fl.rows(ToyRecords(60)) >> fl.split(by=by, train=0.8, valid=0.2)
        assert check_stage(graph, epochs=2)
        assert check_resume(graph, epochs=2) == 2 * 8 + 1
        train = graph["train"] >> fl.shuffle() >> fl.batch(7)
        whole = fl.outputs(train=train, valid=graph["valid"] >> fl.batch(7))
        assert Counter(numbers_of(check_stage(whole, epochs=3))) == dict.fromkeys(range(60), 3)
        assert check_resume(whole, epochs=3) == 3 * 8 + 1


def test_groups_that_are_not_there() -> None:
    with pytest.raises(GraphError, match="the rows of ToyTable have no groups 'game'; they have 'trio'"):
        parts_of([5], "game")
    with (
        pytest.raises(GraphError, match="the rows of CountedTable have no groups 'game'; they have none"),
        (fl.rows(9) >> fl.split(by="game", a=1.0) >> fl.batch(2)).iterate() as run,
    ):
        list(run)
    with pytest.raises(GraphError, match="split: by='game' is for rows; here come Chunks"):
        fl.split(by="game", a=1.0).nodes()[0].stage.gives([Chunks])
    with pytest.raises(GraphError, match="split: by is 3"):
        fl.split(by=3, a=1.0)  # type: ignore[arg-type]
    assert fl.split(by="game", a=1.0).nodes()[0].stage.gives([Rows]) == {"a": Rows}


def test_a_part_of_a_random_order_is_split_as_its_rows_are() -> None:
    with (fl.rows(200_000) >> fl.shuffle() >> fl.split(valid=0.2, train=0.8)).drop("train").iterate() as run:
        found = np.concatenate([block.picks.array() for block in run])
    with (fl.rows(200_000) >> fl.split(valid=0.2, train=0.8)).drop("train").iterate() as run:
        wanted = np.concatenate([block.picks.array() for block in run])
    assert not np.array_equal(found, wanted)
    np.testing.assert_array_equal(np.sort(found), wanted)
