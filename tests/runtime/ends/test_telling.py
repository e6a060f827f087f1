"""A run says in the log that it begins, and how it ended: a line each."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

import flowload as fl
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


def test_the_end_is_told_when_the_reader_has_all(told: pytest.LogCaptureFixture) -> None:
    """A run is over when all lies ready."""
    with numbers(6, 2).iterate() as batches:
        next(batches)
        while getattr(batches.stats().outcome, "kind", None) != "over":
            time.sleep(0.001)
        assert len(told.messages) == 1
        assert len(list(batches)) == 2
        assert told.messages[-1].endswith(" s: finished; 3 batches, 6 samples")
    assert len(told.messages) == 2


def test_the_end_is_told_behind_the_last_of_several_outputs(told: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        graph = numbers(2, 2) >> fl.tee("a", "b")
        async with graph.stream() as outputs:
            first, second = outputs["a"], outputs["b"]
            assert [len(await anext(first)), len(await anext(second))] == [2, 2]
            with pytest.raises(StopAsyncIteration):
                await anext(first)
            assert len(told.messages) == 1
            with pytest.raises(StopAsyncIteration):
                await anext(second)
            assert told.messages[-1].endswith(" s: finished; 2 batches, 4 samples")
        assert len(told.messages) == 2

    anyio.run(main)


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
