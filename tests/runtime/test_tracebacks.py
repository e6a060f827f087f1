"""The traceback of an error leads from the reader to the user's own code, without the run's frames."""

from __future__ import annotations

import traceback

import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.errors import UserCodeError
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Does,
    Ints,
    Yields,
    numbers,
    origin,
    step,
)
from tests.runtime.traps import PLACES, Trap, one_worker


def frames_of(error: BaseException) -> list[str]:
    """Modules of the frames of a traceback, the innermost last."""
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]


@pytest.mark.parametrize("place", ["fl_map", "fl_map_async", "generator", "async_generator", "lazy_push"])
def test_a_traceback_leads_from_the_reader_to_the_users_own_code(face: Face, place: str) -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        face.read(PLACES[place](Trap(ValueError, calls=12)))
    names = frames_of(caught.value)
    assert names[-1] == Trap.__module__  # where the user code of these graphs lies
    assert [name for name in names if name.startswith("flowload.runtime")] == (
        ["flowload.runtime.faces.blocking"] * 2
        if face.backend is None
        else ["flowload.runtime.faces.asynchronous"] * 3 + ["flowload.runtime.run"] * 2
    )


def test_the_original_of_a_wrapper_has_a_short_traceback_too(face: Face) -> None:
    with pytest.raises(UserCodeError) as caught:
        face.read(one_worker(Trap(StopIteration, calls=12)))
    assert caught.value.__cause__ is not None
    names = frames_of(caught.value.__cause__)
    assert names[-1] == Trap.__module__  # where the user code of these graphs lies
    assert not any(name.startswith("flowload.runtime") for name in names)


def test_what_the_run_itself_raises_keeps_its_frames(face: Face) -> None:
    with pytest.raises(fl.FlowloadError, match="a whole pass gave nothing") as caught:
        face.read(origin(Yields(lambda _: ())), epochs=None)
    names = frames_of(caught.value)
    assert names[-1] == "flowload.runtime.tasks.source_task"
    assert "flowload.runtime.run" in names


def test_an_error_that_is_its_own_cause_is_no_trap(face: Face) -> None:
    def turns(block: Ints, call: Call) -> Ints:
        error = ValueError("mine")
        raise error from error

    with pytest.raises(ValueError, match="mine"):
        face.read(numbers(3) >> step(lambda: Does(turns)))
