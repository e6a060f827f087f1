from __future__ import annotations

import pytest

from flowload.cli.view.ledger import balanced, ledger, under_way
from tests.observe.moments import moment, stage


def test_a_balanced_stage_has_a_check_mark_and_its_reasons() -> None:
    row = stage("unpack", in_=1100, out=1000, held=50, dropped={"bad crc": 10, "bad gzip": 40, "none": 0})
    assert ledger(moment(row)) == [
        "ledger     in    = out  + dropped  + held",
        "unpack  1,100  = 1,000       + 50    + 50  ✓  bad gzip: 40, bad crc: 10",
    ]
    assert balanced(moment(row))


def test_samples_with_missing_data_show_behind_the_reasons() -> None:
    assert ledger(moment(stage(in_=9, out=8, dropped={"odd": 1}, missing=3)))[1].endswith(
        "✓  odd: 1; of out, 3 with missing data"
    )
    assert ledger(moment(stage(in_=9, out=9, missing=3)))[1].endswith("✓  of out, 3 with missing data")


def test_a_finished_run_may_miss_nothing() -> None:
    lost = moment(stage(in_=10, out=9))
    assert ledger(lost)[1].endswith("✗ +1 unaccounted for")
    assert not balanced(lost)


@pytest.mark.parametrize("out", [9, 11])
def test_a_stopped_run_may_have_samples_under_way(out: int) -> None:
    # A call that was stopped half-way may have given something before what it took was counted.
    stopped = moment(stage(in_=10, out=out), finished=False)
    assert ledger(stopped)[1].endswith("+ 0    1 under way")
    assert balanced(stopped)


def test_more_out_than_in_is_wrong_too() -> None:
    made_up = moment(stage(in_=9, out=10))
    assert ledger(made_up)[1].endswith("✗ -1 unaccounted for")
    assert not balanced(made_up)


def test_what_is_under_way_is_what_is_neither_out_nor_dropped_nor_held() -> None:
    assert under_way(stage(in_=100, out=50, held=20, dropped={"a": 3, "b": 4})) == 23


def test_a_run_without_stages_balances() -> None:
    assert balanced(moment())
    assert balanced(moment(finished=False))
