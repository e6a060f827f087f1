from __future__ import annotations

from flowload.observe.figures import align


def test_columns_are_straight_and_lines_have_no_trailing_blanks() -> None:
    assert align([("name", "n", ""), ("a", "1,000", "!")], "<><") == ["name      n", "a     1,000  !"]


def test_no_rows_are_no_lines() -> None:
    assert align([], "<") == []
