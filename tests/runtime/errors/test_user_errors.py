"""Whatever user code raises, wherever: the reader gets it, with stage and line, and never an early end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import flowload as fl
from flowload.errors import UserCodeError
from tests.runtime.reading import Face, Taker
from tests.runtime.stages import (
    Does,
    Folds,
    Ints,
    fan_out,
    numbers,
    step,
)

from .traps import BARE, KINDS, PLACES, MuteError, Trap, batches, one_worker


@pytest.mark.hammer
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__[:4]}.{kind.__name__}")
@pytest.mark.parametrize("place", PLACES)
def test_what_user_code_raises_reaches_the_reader_with_stage_and_line(
    face: Face, place: str, kind: type[BaseException]
) -> None:
    graph = PLACES[place](Trap(kind, calls=12))
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - of any kind: it is looked at below
        face.read(graph, epochs=2)
    error, where = caught.value, graph.plan["mine"].node.where
    assert error.__notes__ == [f"in stage 'mine', declared at {where}"]
    assert (error if type(error) is kind else error.__cause__).args == ("mine",)  # type: ignore[union-attr]
    if type(error) is kind:
        # What a signal's handler may have raised goes on as itself, but only in the main thread.
        assert kind in BARE or (kind in (KeyboardInterrupt, SystemExit) and face.backend is not None)
    else:
        assert kind not in BARE
        assert isinstance(error, RuntimeError)
        assert type(error.__cause__) is kind


def test_the_wrapper_says_what_it_stands_for(face: Face) -> None:
    with pytest.raises(UserCodeError) as caught:
        face.read(one_worker(Trap(StopAsyncIteration, calls=12)))
    assert str(caught.value) == (
        "a call ended with StopAsyncIteration('mine'); "
        "raised bare, that would pass for an end, a cancellation or an exit"
    )


@pytest.mark.parametrize("kind", [StopAsyncIteration, StopIteration, GeneratorExit, asyncio.CancelledError])
def test_every_output_of_a_run_gets_the_error(kind: type[BaseException]) -> None:
    graph = numbers(40) >> step(lambda: Does(Trap(kind, calls=8)), name="mine") >> fan_out("a", "b")
    with graph.iterate() as run:
        for name in ("a", "b"):
            with pytest.raises(UserCodeError, match=kind.__name__):
                for _ in run[name]:
                    pass
        assert not run.stats().finished


def test_a_skipped_error_is_counted_whatever_it_means_to_python(face: Face) -> None:
    taker = Taker()
    graph = batches() >> fl.map(Trap(StopAsyncIteration, calls=12), on_error="skip", workers=1).named("mine")
    face.use(graph, taker)
    assert len(taker.got) == 12
    assert taker.run.stats().stages["mine"].dropped == {"StopAsyncIteration": 28}


def test_a_skipped_error_without_a_text_is_counted_by_its_kind(face: Face) -> None:
    taker = Taker()
    graph = batches() >> fl.map(Trap(MuteError, calls=12), on_error="skip", workers=1).named("mine")
    face.use(graph, taker)
    assert taker.run.stats().stages["mine"].dropped == {"MuteError": 28}


class Late(Ints):
    """What cannot be handed over."""

    error: type[BaseException] = ValueError

    def deliver(self) -> Any:
        if self.values[0] == 3:
            raise self.error("mine")
        return self


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError])
def test_a_hand_over_that_fails_is_no_end(face: Face, kind: type[BaseException]) -> None:
    class Now(Late):
        error = kind

    with pytest.raises(UserCodeError, match=kind.__name__):
        face.read(numbers(9) >> step(lambda: Does(lambda block, _: Now(block.values))))


def test_gauges_that_fail_name_their_stage(face: Face) -> None:
    class Measures(Folds):
        def gauges(self) -> dict[str, float]:
            raise StopIteration

    graph = numbers(9) >> step(Measures, name="mine")

    def see(batch: Any, run: Any) -> bool:
        with pytest.raises(UserCodeError) as caught:
            run.stats()
        assert caught.value.__notes__ == [f"in stage 'mine', declared at {graph.plan['mine'].node.where}"]
        return False

    face.use(graph, see)
