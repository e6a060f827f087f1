"""The comparison of loaders that go on counts rightly, and each that is installed can be asked. No times."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.bench.going_on import child
from tools.bench.going_on.measure import FRESH, LOADERS, Going, Plan, changed, sheet
from tools.bench.going_on.processes import run_ranks
from tools.bench.going_on.verdict import Verdict, judged, steps_of

PLAN = Plan(rows=240, batch=12, each=12, workers=1, rounds=1)
REST = [[0, 1], [2, 3], [4, 5]]
RIVALS = [name for name in LOADERS if name != "flowload"]


@pytest.mark.parametrize(
    ("got", "verdict", "words"),
    [
        (REST, Verdict(True, 0, 0, 0), "exact"),
        ([[0, 2], [1, 3], [4, 5]], Verdict(False, 0, 0, 0), "each row once, other batches"),
        (REST[1:], Verdict(False, 2, 0, 0), "2 lost"),
        ([*REST, [0, 9]], Verdict(False, 0, 2, 0), "2 twice"),
        ([[0, 1], [2, 3], [4, 11]], Verdict(False, 1, 0, 1), "1 lost, 1 new"),
        ([[0, 1], [2, 2], [4, 5]], Verdict(False, 1, 1, 0), "1 lost, 1 twice"),
    ],
)
def test_a_rest_is_judged_beside_the_rest_that_was_due(
    got: list[list[int]], verdict: Verdict, words: str
) -> None:
    found = judged(REST, got, known=10)
    assert found == verdict
    assert str(found) == words


def test_steps_are_those_of_all_ranks_also_where_one_has_more() -> None:
    ranks = [[[3, 1], [5]], [[0, 2]]]
    assert steps_of(ranks, ordered=True) == [[3, 1, 0, 2], [5]]
    assert steps_of(ranks, ordered=False) == [[0, 1, 2, 3], [5]]


def test_other_data_differ_as_they_say() -> None:
    rows = np.arange(PLAN.rows)
    assert not np.isin(changed(PLAN, "all"), rows).any()
    assert np.count_nonzero(changed(PLAN, "some") != rows) == PLAN.each
    np.testing.assert_array_equal(changed(PLAN, "added"), np.arange(PLAN.rows + PLAN.each))


def test_times_are_multiples_of_the_quickest_fresh_start() -> None:
    shown = sheet({"one": {FRESH: 0.2, "again": "exact"}, "other": {FRESH: 0.1}})
    assert [line.split("|")[2:4] for line in shown.splitlines()[2:]] == [
        ["   2.0 ", "   1.0 "],
        [" exact ", "       "],
    ]


def answer(folder: Path, **order: Any) -> dict[str, Any]:
    out = folder / "out.json"
    child.main({"loader": "flowload", "out": str(out), **order})
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_child_goes_on_from_a_state_in_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", np.arange(240))
    place = {"folder": str(tmp_path / "rows"), "batch": 12, "workers": 1}
    assert "error" not in answer(tmp_path, place=place, numbers=str(tmp_path / "numbers.npy"), each=12)
    state = str(tmp_path / "state")
    whole = answer(tmp_path, place=place, state=None, saves={"30": state})["batches"]
    assert [sorted(np.ravel(epoch)) for epoch in (whole[:20], whole[20:])] == [list(range(240))] * 2
    assert answer(tmp_path, place=place, state=state, saves={})["batches"] == whole[30:]
    other = answer(tmp_path, place={**place, "batch": 24}, state=state, saves={})
    assert other["error"].startswith("GraphError: ")  # what a loader raises is its answer


def test_what_a_child_fails_with_is_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_ranks([{"loader": "nobody"}], tmp_path)[0]["error"].startswith("ModuleNotFoundError: ")
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    assert [each["error"] for each in run_ranks([{}, {}], tmp_path)] == ["Ended: []"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_rivals_that_are_installed_go_on_exactly_where_nothing_is_other(name: str, tmp_path: Path) -> None:
    pytest.importorskip(LOADERS[name].module)
    one = Going(name, PLAN, tmp_path)
    assert one.write(tmp_path / "rows", np.arange(PLAN.rows)) == ""
    assert list(one.at_once(1)) == []
    (batches,) = one.whole[1]
    assert [sorted(np.ravel(epoch)) for epoch in (batches[:20], batches[20:])] == [list(range(240))] * 2
    (rest,) = run_ranks(one.orders(50, 1, 1, PLAN.workers), tmp_path)
    assert judged(batches[30:], rest["batches"], PLAN.rows).exact
