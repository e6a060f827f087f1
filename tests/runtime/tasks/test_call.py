"""What an operator may ask of the run, and what becomes of bad data: raised, or skipped and counted."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from flowload.chance import generator
from flowload.errors import DataError, UserCodeError
from flowload.runtime.tasks.call import RunCall
from tests.runtime.stages import (
    Does,
    Ints,
    ints,
    numbers,
    step,
)
from tests.runtime.tasks.members import bad, member, settled


def test_a_call_draws_by_its_number_or_by_a_key() -> None:
    call = member().call(7, ints(range(3)), 3)
    assert call.number == 7
    assert call.key() == (1, 2)
    assert call.rng().integers(1 << 60) == generator((1, 2), (7,)).integers(1 << 60)
    assert call.rng(3, 4).integers(1 << 60) == generator((1, 2), (3, 4)).integers(1 << 60)
    assert len(call.lease(100)) == 100


def test_what_came_in_is_the_block_unless_the_operator_says_otherwise() -> None:
    assert settled(member(), lambda call: None) == (5, {}, 0)
    assert settled(member(), lambda call: call.drop(2, "odd")) == (5, {"odd": 2}, 0)
    assert settled(member(), lambda call: call.drop(0, "odd")) == (5, {}, 0)
    assert settled(member(), lambda call: (call.opened(7), call.opened(4))) == (11, {}, 0)
    assert settled(member(), lambda call: call.opened(0)) == (0, {}, 0)


def test_what_is_rejected_counts_as_come_in_once() -> None:
    skip = {"on_error": "skip"}
    assert settled(member(**skip), lambda call: call.reject(bad(1), 2)) == (5, {"bad number": 2}, 2)  # type: ignore[arg-type]
    opened = settled(member(**skip), lambda call: (call.opened(7), call.reject(bad(1))))  # type: ignore[arg-type]
    assert opened == (8, {"bad number": 1}, 1)


def test_what_was_found_before_the_whole_input_failed_does_not_count() -> None:
    def act(call: RunCall) -> None:
        call.opened(9)
        call.drop(3, "odd")
        call.reject(bad(1))
        call.reject_all(bad(2, "worse"))

    assert settled(member("skip"), act) == (5, {"worse": 5}, 5)


def lack(where: str = "a.h5: x") -> DataError:
    return DataError("missing", where=where, found="1 of 4 chunks", wanted="4")


def test_what_is_missing_is_counted_and_told_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
    one = member()
    for count in (2, 3):
        assert (
            settled(one, lambda call, n=count: (call.missing(n, lack()), call.missing(0, lack("b.h5"))))[1]
            == {}
        )
    assert one.meter.missing == 5
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"step: the fill value stands for data that do not exist: {lack(where)}")
        for where in ("a.h5: x", "b.h5")
    ]


def test_what_was_missing_of_an_input_that_failed_does_not_count() -> None:
    one = member("skip")
    settled(one, lambda call: (call.missing(2, lack()), call.reject_all(bad(1))))
    assert one.meter.missing == 0


def test_what_is_missing_is_in_the_statistics_of_a_run() -> None:
    def lacks(block: Ints, call: Any) -> Ints:
        call.missing(2, lack())
        return block

    with (numbers(12, 3) >> step(lambda: Does(lacks), name="fill")).iterate(cpus=2) as batches:
        list(batches)
        stats = batches.stats()
    assert {name: stage.missing for name, stage in stats.stages.items()} == {"origin": 0, "fill": 8}
    assert stats.as_json()["stages"]["fill"]["missing"] == 8


def test_under_raise_a_rejection_is_raised_as_it_is() -> None:
    call, error = member().call(0, ints([1]), 1), bad(1)
    with pytest.raises(DataError) as caught:
        call.reject(error)
    assert caught.value is error


class FrozenError(Exception):
    """Lets nobody set anything, so it takes no note."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def test_an_error_that_takes_no_note_is_the_cause_of_one_that_does() -> None:
    words = r"ended with FrozenError\('mine'\); it takes no note"
    with pytest.raises(UserCodeError, match=words) as caught, member():
        raise FrozenError("mine")
    assert caught.value.__notes__ == ["in stage 'step', declared at here.py:1"]
    assert type(caught.value.__cause__) is FrozenError


def test_a_note_is_added_once() -> None:
    error = ValueError("x")
    for _ in range(2):
        with pytest.raises(ValueError, match="x"), member():
            raise error
    assert error.__notes__ == ["in stage 'step', declared at here.py:1"]


@pytest.mark.anyio
async def test_a_cancellation_by_the_run_stays_as_it_is() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(anyio.get_cancelled_exc_class()) as caught, member():
            await anyio.lowlevel.checkpoint()
        assert not hasattr(caught.value, "__notes__")
        raise caught.value
    assert scope.cancelled_caught
