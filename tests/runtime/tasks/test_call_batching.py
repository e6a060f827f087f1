"""Short calls share a trip to a thread, long ones do not, and nobody sees a difference."""

from __future__ import annotations

import pytest

from flowload.abc.operators import Call
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.tasks.call_batching import KNOWN, MOST, SMALL, CallBatching
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.reading import Face
from tests.runtime.stages import Does, Folds, Ints, flat, ints, numbers, plus, step

pytestmark = pytest.mark.anyio


def learned(seconds: float, calls: int = 2 * KNOWN, nbytes: int = 0) -> CallBatching:
    call_batching = CallBatching()
    for _ in range(calls):
        call_batching.note(seconds, nbytes)
    return call_batching


@pytest.mark.parametrize(
    ("seconds", "calls_per_trip"),
    [(0.0, MOST), (20e-6, MOST), (120e-6, 16), (0.5e-3, 4), (1.5e-3, 1), (1.0, 1)],
)
def test_the_shorter_the_calls_the_more_share_a_trip(seconds: float, calls_per_trip: int) -> None:
    assert learned(seconds).calls_per_trip == calls_per_trip


@pytest.mark.parametrize(("nbytes", "calls_per_trip"), [(SMALL // 4, 4), (SMALL - 1, 1), (SMALL * 9, 1)])
def test_the_more_they_make_the_fewer_share_a_trip(nbytes: int, calls_per_trip: int) -> None:
    assert learned(20e-6, nbytes=nbytes).calls_per_trip == calls_per_trip


def test_a_few_calls_say_nothing_yet() -> None:
    assert learned(0.0, KNOWN - 1).calls_per_trip == 1


def test_it_learns_anew_when_calls_become_long() -> None:
    call_batching = learned(20e-6)
    for _ in range(100):
        call_batching.note(5e-3, 0)
    assert call_batching.calls_per_trip == 1


async def test_each_worker_gets_its_share_of_what_waits() -> None:
    source = Channel("a", "b", Monitor(RunLock()), blocks=2)
    call_batching = learned(120e-6)
    assert call_batching.most(source, 2) == 1
    assert source.capacity == 32
    for number in range(9):  # and the one that was taken
        assert source.try_put(NumberedBlock.of(number, ints([number])))
    assert call_batching.most(source, 2) == 5
    assert call_batching.most(source, 1) == 10
    assert learned(1.0).most(source, 1) == 1


@pytest.mark.slow
def test_marks_errors_and_numbers_keep_their_place(face: Face) -> None:
    """Long enough a stream that calls are bunched, with everything in it that must not move."""
    seen: list[int] = []

    def thins(block: Ints, call: Call) -> Ints | None:
        if call.number % 7 == 3:
            call.drop(len(block), "thinned")
            return None
        return block

    def notes(block: Ints, call: Call) -> list[Ints]:
        seen.append(int(block.values[0]))
        return [block]

    count = 1500
    graph = numbers(count) >> step(lambda: Does(thins), workers=2) >> plus(0) >> step(lambda: Folds(notes))
    # A mark takes a number in the source's stream, too: hence no 7 divides evenly over the passes.
    got = flat(face.read(graph, epochs=2, cpus=2))
    assert got == seen == [n % count for n in range(2 * count) if n % 7 != 3]


def test_an_error_in_the_middle_of_a_trip_is_the_runs(face: Face) -> None:
    def fails(block: Ints, call: Call) -> Ints:
        if call.number == 1000:
            raise ValueError("the thousandth")
        return block

    with pytest.raises(ValueError, match="the thousandth"):
        face.read(numbers(3000) >> step(lambda: Does(fails), workers=2))
