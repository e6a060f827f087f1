"""A run says in the log that it begins, and how it ended: a line each."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.errors import DataError
from tests.runtime.stages import Does, numbers, plus, step


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "flowload")
    return caplog


def test_a_run_that_finishes(told: pytest.LogCaptureFixture) -> None:
    with (numbers(6, 2) >> plus(1, name="more")).iterate(seed=7, cpus=2) as batches:
        assert len(list(batches)) == 3
    begin, end = told.messages
    assert begin.startswith("run begins: ")
    assert begin.endswith(", more; seed 7, 2 CPUs")
    assert end.startswith("run ends after ")
    assert end.endswith(" s: finished; 3 batches, 6 samples")


def test_a_run_that_is_left(told: pytest.LogCaptureFixture) -> None:
    with numbers(999, 1).iterate() as batches:
        next(iter(batches))
    assert "stopped; 1 batches, 1 samples" in told.messages[-1]


@pytest.mark.parametrize(
    ("place", "lines"), [("s3://a/{}.tar: record 7", 3), ("set, molecule {}", 1), ("a.h5: row {}", 1)]
)
def test_what_is_skipped_is_told_once_a_source(
    place: str, lines: int, told: pytest.LogCaptureFixture
) -> None:
    def refuse(block: Any, call: Any) -> Any:
        raise DataError("bad", where=place.format(call.number))

    with (numbers(6, 2) >> step(lambda: Does(refuse), on_error="skip")).iterate(cpus=1) as batches:
        assert list(batches) == []
    assert len([line for line in told.messages if "skipped" in line]) == lines


def test_a_run_that_fails_says_where_in_one_line(told: pytest.LogCaptureFixture) -> None:
    def refuse(block: Any, call: Any) -> Any:
        raise DataError("bad\nnews", where="x.tar:7")

    graph = numbers(6, 2) >> step(lambda: Does(refuse), name="unpack")
    with graph.iterate() as batches, pytest.raises(DataError):
        next(iter(batches))
    end = told.messages[-1]
    assert "failed; 0 batches, 0 samples" in end
    assert "'unpack'" in end
    assert "x.tar:7" in end
    assert "\n" not in end
