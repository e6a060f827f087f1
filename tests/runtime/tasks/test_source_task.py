"""Sources in a run: passes, marks, and blocks that go on as soon as they are there."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Block, Call, Mark
from flowload.errors import NoDataError
from flowload.runtime.faces.handoff import MOST
from flowload.runtime.tasks import source_task
from tests.runtime.reading import Face
from tests.runtime.stages import Folds, Ints, Yields, flat, ints, origin, plus, step


class Tells(Folds):
    """Shows marks as blocks."""

    def mark(self, mark: Mark, call: Call) -> list[Block]:
        call.opened(1)
        return [ints([-1 if mark is Mark.EPOCH else -2])]


class YieldsAsync(Yields):
    """An asynchronous source."""

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Any]:  # type: ignore[override]  # as Source allows
        for word in super().epoch(number, call):
            await anyio.lowlevel.checkpoint()
            yield word


class Opens(Yields):
    """A source that says what it opened, as a map would: its blocks are counted anyway."""

    def epoch(self, number: int, call: Call) -> Iterator[Any]:
        for word in super().epoch(number, call):
            call.opened(7)
            call.drop(number, "of this pass")
            yield word


kinds = pytest.mark.parametrize("kind", [Yields, YieldsAsync])


@kinds
def test_every_pass_is_made_anew_and_closed_by_a_mark(face: Face, kind: type[Yields]) -> None:
    graph = origin(kind(lambda epoch: [ints([10 * epoch]), ints([10 * epoch + 1])])) >> step(Tells)
    assert flat(face.read(graph, epochs=3)) == [0, 1, -1, 10, 11, -1, 20, 21, -1]


@kinds
def test_its_own_marks_keep_their_place(face: Face, kind: type[Yields]) -> None:
    graph = origin(kind(lambda _: [ints([0]), Mark.CAUGHT_UP, ints([1])])) >> step(Tells)
    assert flat(face.read(graph)) == [0, -2, 1, -1]


@kinds
def test_blocks_are_numbered_over_all_passes(face: Face, kind: type[Yields]) -> None:
    seen: list[int] = []

    def note(block: Ints, call: Call) -> list[Block]:
        seen.append(call.number)
        return [block]

    graph = origin(kind(lambda _: [ints([0]), ints([1])])) >> plus(0) >> step(lambda: Folds(note))
    face.read(graph, epochs=2)
    assert seen == [0, 1, 3, 4]  # a mark is a call of its own


def test_what_a_source_drops_has_come_in_and_nothing_else_has() -> None:
    with (origin(Opens(lambda _: [ints([0, 1]), ints([2])]))).iterate(epochs=2) as batches:
        assert flat(batches) == [0, 1, 2, 0, 1, 2]
        stats = batches.stats().stages["origin"]
    assert (stats.in_, stats.out, dict(stats.dropped)) == (8, 6, {"of this pass": 2})


def test_an_empty_source_is_an_empty_stream(face: Face) -> None:
    assert face.read(origin(Yields(lambda _: [])) >> plus(1), epochs=3) == []


@kinds
def test_repeating_nothing_for_ever_is_an_error(face: Face, kind: type[Yields]) -> None:
    with pytest.raises(
        NoDataError, match="origin: a whole pass gave nothing; wanted data to repeat"
    ) as caught:
        face.read(origin(kind(lambda _: [])), epochs=None)
    assert caught.value.__notes__[0].startswith("in stage 'origin'")


@kinds
def test_without_a_number_of_passes_there_is_no_end(face: Face, kind: type[Yields]) -> None:
    got = face.read(origin(kind(lambda epoch: [ints([epoch])])), most=50, epochs=None)
    assert flat(got) == list(range(50))


def test_a_slow_source_is_not_waited_for_twice(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that took its time goes on at once: the next one may take for ever."""
    monkeypatch.setattr(source_task, "SECONDS", -1.0)  # any time is longer than a hop
    delivered = threading.Event()

    def slow(_: int) -> Iterator[Ints]:
        yield ints([0])
        delivered.wait()
        yield ints([1])

    def see(batch: Ints, run: Any) -> bool:
        delivered.set()
        return True

    face.use(origin(Yields(slow)), see)


def test_a_source_is_asked_for_no_more_than_a_hop_beyond_what_fits() -> None:
    source = Yields(lambda _: (ints([n]) for n in range(1000)))
    with origin(source).iterate() as batches:
        for _ in range(10):
            next(iter(batches))
    assert source.made < 10 + MOST + 20  # small blocks lie ready for the reader
