"""A split by lists: each row goes where it is named, and nowhere else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.stages.rows.split_by_list import SplitByList
from flowload.stages.wiring.split import ListedStage
from flowload.testing import check_resume, check_stage, run_plain
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of


@given(st.lists(st.sampled_from("abc-"), min_size=1, max_size=40), st.integers(1, 9))
def test_each_row_goes_to_the_part_that_names_it(owners: list[str], size: int) -> None:
    parts = [(name, np.flatnonzero(np.array(owners) == name)[::-1]) for name in "abc"]
    route, call = SplitByList(parts), FakeCall()
    records = ToyRecords(len(owners))
    found: dict[str, list[int]] = {name: [] for name in "abc"}
    sizes = [min(size, len(owners) - start) for start in range(0, len(owners), size)]
    for block in blocks_of(sizes, records):
        for name, part in route.route(block, call).items():
            assert len(part)
            found[name] += numbers_of([part])
    assert found == {name: sorted(rows.tolist()) for name, rows in parts}
    assert call.drops["in no part"] == owners.count("-")


def test_more_parts_than_a_byte_can_count() -> None:
    parts = [(f"part{k}", np.array([k])) for k in range(300)]
    made = SplitByList(parts).route(blocks_of([300])[0], FakeCall())
    assert {name: list(numbers_of([part])) for name, part in made.items()} == {
        f"part{k}": [k] for k in range(300)
    }


def test_arrays_lists_and_files(tmp_path: Path) -> None:
    np.save(tmp_path / "valid.npy", np.array([1, 5], np.uint16))
    parts = fl.rows(ToyRecords(8)) >> fl.split(
        train=np.array([0, 2, 3]), valid=tmp_path / "valid.npy", test=[7]
    )
    whole = fl.outputs(train=parts["train"], valid=parts["valid"], test=parts["test"])
    made = {name: list(numbers_of(run_plain(whole, output=name))) for name in ("train", "valid", "test")}
    assert made == {"train": [0, 2, 3], "valid": [1, 5], "test": [7]}
    with fl.outputs(**{name: parts[name] >> fl.batch(9) for name in made}).iterate() as run:
        assert {name: next(run[name])["row"].tolist() for name in made} == made
        assert all(list(run[name]) == [] for name in made)
    assert run.stats().stages["split"].dropped == {"in no part": 2}


def test_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 5)
    monkeypatch.setattr("flowload.stages.rows.shuffle.EMIT", 4)
    graph = fl.rows(ToyRecords(17)) >> fl.shuffle() >> fl.split(a=list(range(0, 17, 2)), b=[1, 3])
    made = check_stage(graph, epochs=2)
    assert Counter(numbers_of(made)) == dict.fromkeys([*range(0, 17, 2), 1, 3], 2)
    assert check_resume(graph, epochs=2) == 2 * 5 + 1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"a": [1, 2], "b": [2]},
            r"split: part 'b': parts overlap; found row 2 also in 'a'; wanted each row",
        ),
        ({"a": [1], "b": [8]}, r"split: part 'b': no such row; found row 8 at place 0; wanted 0 to 7"),
        ({"a": [-1]}, r"split: part 'a': no such row; found row -1"),
        ({"a": np.array([1.0])}, r"split: part 'a': not row numbers; found float64\[1\]"),
        ({"a": "absent.npy", "b": [1]}, r"absent\.npy: no such file; wanted a file"),
    ],
)
def test_lists_that_do_not_fit_the_table(parts: Any, message: str) -> None:
    graph = fl.rows(ToyRecords(8)) >> fl.split(**parts)
    with (
        pytest.raises(DataError, match=message),
        fl.outputs(**{name: graph[name] >> fl.batch(2) for name in parts}).iterate() as run,
    ):
        list(run["a"])


def test_a_row_that_a_part_names_twice_comes_once() -> None:
    made = SplitByList([("a", np.array([3, 3]))]).route(blocks_of([8])[0], FakeCall())
    assert list(numbers_of([made["a"]])) == [3]


def test_bad_parameters() -> None:
    with pytest.raises(GraphError, match="by= is for shares"):
        fl.split(by="game", a=[1])
    with pytest.raises(GraphError, match=r"split: part 'a' is \{1\}; wanted an array of row numbers"):
        fl.split(a={1})
    with pytest.raises(GraphError, match="split: a weight is"):
        fl.split(a=0.5, b=[1])
    (placed,) = fl.split(a=[1]).nodes()
    assert isinstance(placed.stage, ListedStage)
