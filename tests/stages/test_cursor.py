"""Where a source is in its pass."""

from __future__ import annotations

from flowload.stages.cursor import Cursor
from tests.states import through_json


def test_a_pass_begins_at_its_start() -> None:
    cursor = Cursor()
    assert cursor.begin(0) == 0
    cursor.given = 7
    assert cursor.begin(1) == 0
    assert cursor.given == 0


def test_a_restored_pass_goes_on_and_the_next_begins_anew() -> None:
    cursor, again = Cursor(2, 5), Cursor()
    again.restore(through_json(cursor.state()))
    assert again.begin(2) == 5
    assert again.begin(3) == 0


def test_a_finished_pass_is_not_given_again() -> None:
    cursor = Cursor()
    cursor.restore({"epoch": 0, "given": 9})
    assert cursor.begin(1) == 0
